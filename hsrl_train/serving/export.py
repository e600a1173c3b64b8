"""A published policy as TorchScript: what other programs score with, without any code of this project."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import State
from hsrl_train.learner.policy import HsrlPolicy

HEAD = "hsrl.json"  # beside the code in the file: torch.jit.load(path, _extra_files={"hsrl.json": ""})


class TokenScores(nn.Module):
    """log π of every token for users told by their likes and profile; an item's score is the sum over its tokens (HSRL eq. 14).

    Args:
        policy: over the items whose numbers ``forward`` takes.
    """

    vectors: Tensor

    def __init__(self, policy: HsrlPolicy) -> None:
        super().__init__()
        self.network = policy.network
        self.register_buffer("vectors", policy.vectors)

    def forward(self, history: Int[Tensor, "b h"], profile: Float[Tensor, "b u"]) -> Float[Tensor, "b all_tokens"]:
        """Score the tokens.

        Args:
            history: item numbers from 1, oldest first; 0 behind the newest.
            profile: as the policy learned it; zeros for an unknown user.
        """
        logits = self.network.tokens(State(profile, history), self.vectors).logits + self.network.foresight
        levels = logits.split(self.network.hpn.vocabulary, dim=1)
        return torch.cat([level.log_softmax(dim=1) for level in levels], dim=1)


@torch.no_grad()
def export_policy(policy: HsrlPolicy, profile_width: int, path: Path, head: Mapping[str, Any]) -> None:
    """Write the policy as TorchScript for any number of users at once.

    Args:
        policy: in evaluation.
        profile_width: u.
        path: where to; a caller that must not show half a file hands over a draft.
        head: what a reader must know; written as JSON into the file.
    """
    length = policy.network.encoder.position.num_embeddings - 1
    # A full history: the encoder cuts to the longest of a batch, and the trace keeps the cut of its example.
    example = (torch.ones(2, length, dtype=torch.int64), torch.zeros(2, profile_width))
    with quiet():
        traced = torch.jit.trace(TokenScores(policy).eval(), example, check_trace=False)
        torch.jit.save(traced, str(path), _extra_files={HEAD: json.dumps(head)})


@contextmanager
def quiet() -> Iterator[None]:
    """Tracing warns of every Python number on its way; the tests compare its scores for other batches and lengths."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

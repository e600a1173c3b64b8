"""The hierarchical policy network: token distributions level by level from one forward pass (HSRL eq. 11–13)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class TokenPolicy(NamedTuple):
    """Distributions over the tokens of every level, the levels side by side: column offset_l + v is token v of level l.

    Attributes:
        contexts: c(0) … c(L).
        logits: W_l c(l-1) + b_l, unnormalised.
        log_probs: log π(z_l = v | c(l-1)); each level's columns sum to 1 as probabilities.
    """

    contexts: Float[Tensor, "b levels_plus_1 d"]
    logits: Float[Tensor, "b all_tokens"]
    log_probs: Float[Tensor, "b all_tokens"]


class HierarchicalPolicyNetwork(nn.Module):
    """HPN: each level's head reads what the expected tokens of the levels before it left of the state.

        π(z_l | c(l-1)) = softmax(W_l c(l-1) + b_l)                          (11)
        e_l = Σ_v π(v | c(l-1)) E_l[v]                                       (12)
        c(l) = LayerNorm_l(c(l-1) − e_l)                                     (13)

    A context depends on the expected embedding, not on sampled tokens: one pass gives all L distributions.

    Args:
        width: d of a context.
        vocabulary: V_l for each level.
        hierarchy: ``residual`` is (13); ``no_residual`` takes c(l) = LayerNorm_l(e_l); ``flat`` lets every head read c(0).
        embedding: ``expected`` is (12); ``sampled`` takes the embedding of one drawn token, through which no gradient reaches π.
    """

    def __init__(
        self,
        width: int,
        vocabulary: tuple[int, ...],
        hierarchy: Literal["residual", "no_residual", "flat"],
        embedding: Literal["expected", "sampled"] = "expected",
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.vocabulary = vocabulary
        self.hierarchy = hierarchy
        self.heads = nn.ModuleList(nn.Linear(width, n_codes) for n_codes in vocabulary)
        self.codes = nn.ParameterList(torch.randn(n_codes, width) * width**-0.5 for n_codes in vocabulary)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in vocabulary)

    def forward(self, c0: Float[Tensor, "b d"], generator: torch.Generator | None = None) -> TokenPolicy:
        """All contexts and token distributions of b states; ``generator`` feeds sampled tokens."""
        contexts, logits, log_probs = [c0], [], []
        for head, codes, norm in zip(self.heads, self.codes, self.norms, strict=True):
            context = c0 if self.hierarchy == "flat" else contexts[-1]
            level_logits = head(context)
            level_log_probs = level_logits.log_softmax(dim=1)
            token = self.token_embedding(level_log_probs, codes, generator)
            contexts.append(norm(token if self.hierarchy == "no_residual" else contexts[-1] - token))
            logits.append(level_logits)
            log_probs.append(level_log_probs)
        return TokenPolicy(torch.stack(contexts, dim=1), torch.cat(logits, dim=1), torch.cat(log_probs, dim=1))

    def token_embedding(
        self, log_probs: Float[Tensor, "b v"], codes: Float[Tensor, "v d"], generator: torch.Generator | None
    ) -> Float[Tensor, "b d"]:
        """e_l of (12), or that of a drawn token.

        Without a generator the expected embedding stands in for the drawn one, so that a trained policy is not random.
        """
        if self.embedding == "expected" or generator is None:
            return log_probs.exp() @ codes
        drawn = torch.multinomial(log_probs.detach().exp().to(generator.device), 1, generator=generator)[:, 0]
        return codes[drawn.to(codes.device)]


def token_columns(tokens: Int[Tensor, "*rows l"], vocabulary: tuple[int, ...]) -> Int[Tensor, "*rows l"]:
    """Columns of ``TokenPolicy`` that hold the given tokens; a missing token (-1) must be masked by the caller."""
    offsets = torch.tensor([0, *vocabulary[:-1]], device=tokens.device).cumsum(0)
    return tokens + offsets


def summed_over_levels(scores: Float[Tensor, "b all_tokens"], columns: Int[Tensor, "b k l"]) -> Float[Tensor, "b k"]:
    """Σ_l scores at each item's tokens: of log-probabilities the logarithm of (14), of logits that plus a number of the state."""
    return scores.gather(1, columns.flatten(1)).view(columns.shape).sum(dim=2)

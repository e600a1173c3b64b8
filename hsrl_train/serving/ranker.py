"""Ranking candidates for a service: an item's score is the product of its tokens' probabilities (HSRL §4.4.1), or its share of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.policy import HsrlPolicy
from pipeline.errors import TrainingError

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Request:
    """What to rank, for which history.

    Attributes:
        history: item ids the user liked, oldest first; only the newest H count.
        candidates: item ids to rank, different ones.
        profile: (u,) as the policy learned it; None for an unknown user.
    """

    history: Sequence[int]
    candidates: Sequence[int]
    profile: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Ranked:
    """The candidates of one request, best first.

    Attributes:
        item_ids: (c,).
        scores: (c,) float32, log of the product (14) and of the item's part of it by ``sid_share``; −inf for what may not be shown: inactive,
            or without a SID.
    """

    item_ids: Ids
    scores: npt.NDArray[np.float32]


class PackedSids:
    """The tokens of every item in one whole number each: 4 MB for a million items.

    Args:
        tokens: (n + 1, L), −1 for none.
        vocabulary: V_l.

    Raises:
        TrainingError: the tokens of an item need more than 64 bits.
    """

    def __init__(self, tokens: npt.NDArray[np.int64], vocabulary: tuple[int, ...]) -> None:
        self.bits = [max(n_codes - 1, 1).bit_length() for n_codes in vocabulary]
        self.vocabulary = vocabulary
        if sum(self.bits) > 64:
            raise TrainingError(
                f"rank: tokens of {len(vocabulary)} levels need {sum(self.bits)} bits, expected 64 at most; use fewer codes"
            )
        dtype = np.uint32 if sum(self.bits) <= 32 else np.uint64
        packed = np.zeros(len(tokens), np.uint64)
        for level, bits in zip(tokens.clip(0).T.astype(np.uint64), self.bits, strict=True):
            packed = (packed << np.uint64(bits)) | level
        self.packed: npt.NDArray[Any] = packed.astype(dtype)

    def scores(self, log_probs: npt.NDArray[np.float32], items: Ids) -> npt.NDArray[np.float32]:
        """Σ_l log π(z_l) of each candidate.

        Args:
            log_probs: (b, Σ V_l), the levels side by side.
            items: (b, c) item numbers; those without a SID must be masked by the caller.
        """
        codes, kind = self.packed[items], self.packed.dtype.type
        row = (np.arange(len(items)) * log_probs.shape[1])[:, None]
        flat, end = log_probs.ravel(), log_probs.shape[1]
        total = np.zeros(items.shape, np.float32)
        for bits, n_codes in zip(reversed(self.bits), reversed(self.vocabulary), strict=True):
            end -= n_codes
            total += flat.take((codes & kind((1 << bits) - 1)).astype(np.intp) + (row + end))
            codes = codes >> kind(bits)
        return total


class Ranker:
    """A published policy and a SID table, ready to serve: ``rank`` what is given, or ``recommend`` of all.

    Args:
        policy: over the items of ``catalogue``.
        catalogue: of the release that is served.
        profile_width: u; 0 where users have no attributes.
    """

    def __init__(self, policy: HsrlPolicy, catalogue: Catalogue, profile_width: int) -> None:
        self.policy = policy
        self.item_ids = catalogue.item_ids
        self.profile_width = profile_width
        self.max_history = policy.network.encoder.position.num_embeddings - 1
        self.sids = PackedSids(catalogue.tokens.numpy(), catalogue.vocabulary)
        self.log_share = policy.index.item_log_share().numpy()
        self.is_shown = (catalogue.is_active & (catalogue.tokens >= 0).all(dim=1)).numpy()

    @torch.no_grad()
    def rank(self, requests: Sequence[Request]) -> list[Ranked]:
        """Score and sort the candidates of some requests, in one forward pass; ties in the order of the request.

        Raises:
            TrainingError: a request has no candidates, names one twice, names an unknown item, or brings another profile.
        """
        if not requests:
            return []
        counts = [len(request.candidates) for request in requests]
        items = np.zeros((len(requests), max(counts)), np.int64)
        for row, request in enumerate(requests):
            items[row, : counts[row]] = self._numbers(request.candidates, row, "candidates")
            if not counts[row] or len(set(request.candidates)) < counts[row]:
                raise TrainingError(
                    f"rank: request {row} has {counts[row]} candidates, {len(set(request.candidates))} of them different; "
                    "expected one at least and none twice"
                )
        log_probs = self.policy.log_probs(self.states(requests)).numpy()
        scores = np.where(self.is_shown[items], self._scores(log_probs, items), -np.inf).astype(np.float32)
        ranked = []
        for row, (request, n) in enumerate(zip(requests, counts, strict=True)):
            order = np.argsort(-scores[row, :n], kind="stable")
            ranked.append(Ranked(np.asarray(request.candidates, np.int64)[order], scores[row, :n][order]))
        return ranked

    @torch.no_grad()
    def recommend(self, requests: Sequence[Request], k: int, seed: int = 0) -> list[Ranked]:
        """The k items that the policy would show next, best first; the candidates of the requests are not looked at.

        Args:
            requests: of b users.
            k: length of a slate.
            seed: of the choice within a Semantic ID, where ``within_sid`` is ``uniform``; else it changes nothing.

        Raises:
            TrainingError: fewer than k items may be shown, a history names an unknown item, or a request brings another profile.
        """
        if not requests:
            return []
        state = self.states(requests)
        items = self.policy.slates(state, k, torch.Generator().manual_seed(seed)).numpy()
        scores = self._scores(self.policy.log_probs(state).numpy(), items)
        return [Ranked(self.item_ids[row - 1], score) for row, score in zip(items, scores, strict=True)]

    def states(self, requests: Sequence[Request]) -> State:
        """What the policy sees of each request.

        Raises:
            TrainingError: a history names an unknown item, or a request brings another profile.
        """
        history = torch.zeros(len(requests), self.max_history, dtype=torch.int64)
        profile = torch.zeros(len(requests), self.profile_width)
        for row, request in enumerate(requests):
            newest = self._numbers(request.history, row, "history")[-self.max_history :]
            history[row, : len(newest)] = torch.from_numpy(newest)
            if request.profile is not None:
                if request.profile.shape != (self.profile_width,):
                    raise TrainingError(
                        f"rank: the profile of request {row} is {request.profile.shape}, expected ({self.profile_width},)"
                    )
                profile[row] = torch.from_numpy(request.profile)
        return State(profile, history)

    def _scores(self, log_probs: npt.NDArray[np.float32], items: Ids) -> npt.NDArray[np.float32]:
        return self.sids.scores(log_probs, items) + self.log_share[items]

    def _numbers(self, ids: Sequence[int], row: int, what: str) -> Ids:
        """Item numbers of item ids."""
        wanted = np.asarray(ids, np.int64)
        rows = np.searchsorted(self.item_ids, wanted)
        is_known = self.item_ids[np.minimum(rows, len(self.item_ids) - 1)] == wanted
        if not is_known.all():
            raise TrainingError(
                f"rank: {(~is_known).sum()} of {len(wanted)} items in the {what} of request {row} are unknown, such as {wanted[~is_known][0]}; "
                "leave them out, or ingest them with: hsrl refresh"
            )
        return rows + 1

"""What answers tell beyond what was to be expected of their items: the evidence simulators of several families run on."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds
from torch import Tensor

from hsrl_train.data.world import PADDING, Records, State, remembered

# An item's like-rate counts as if it had been shown this often more, with the rate of all.
ITEM_PRIOR = 5.0
# Answers at which half of a user's mean surprise is believed. 30 ranks held-out ML-1M like 10 and drifts less.
USER_PRIOR = 30.0
PROFILE_PRIOR = 100.0
# Directions in which surprises go together; 16 and 32 rank held-out ML-1M by .001 of AUC better and drift more (.029 against .027).
N_FACTORS = 8


class Evidence(NamedTuple):
    """What is known of items before a user is met.

    Attributes:
        rate: like-rate in [0, 1], drawn towards the rate of all.
        n_shown: answers behind it.
        profile: weights of the profile in a user's mean surprise.
    """

    rate: Float[Tensor, " n_plus_1"]
    n_shown: Float[Tensor, " n_plus_1"]
    profile: Float[Tensor, " u"]

    def to(self, device: str) -> "Evidence":
        """The same tensors there."""
        return Evidence(*(part.to(device) for part in self))

    def surprises(self, state: State) -> Float[Tensor, "b m"]:
        """y − rate of each item shown before; 0 for padding.

        What a slate adds is in expectation only how the user differs from others, whichever items are in it: a raw like-rate
        would rise by showing what everybody likes.
        """
        recent = shown_before(state)
        return ((recent > 0).to(torch.float32) - self.rate[recent.abs()]) * (recent != PADDING)

    def user_features(self, state: State) -> Float[Tensor, "b 2"]:
        """Mean surprise of a user, and what his profile lets expect of it.

        No weight falls with age: newer answers tell more (.003 of AUC on ML-1M), but a model that follows them is moved half as
        much again by its own answers (docs/simulators.md).
        """
        surprises = self.surprises(state)
        n_shown = (shown_before(state) != PADDING).sum(dim=1)
        return torch.stack([surprises.sum(dim=1) / (n_shown + USER_PRIOR), state.profile @ self.profile], dim=1)

    def interest(self, state: State, items: Float[Tensor, "n_plus_1 d"]) -> Float[Tensor, "b d"]:
        """Σ_p surprise_p item_p / (n + prior) over the n items shown before: which way a user's surprises point."""
        recent = shown_before(state)
        n_shown = (recent != PADDING).sum(dim=1, keepdim=True)
        return pooled(items, recent.abs(), self.surprises(state)) / (n_shown + USER_PRIOR)


def shown_before(state: State) -> Int[Tensor, "b m"]:
    """What a user was shown, refusals negative; where the state remembers no more than likes, these, though not drawn at random."""
    return remembered(state) if remembered(state).shape[1] else state.history


def pooled(table: Float[Tensor, "n w"], ids: Int[Tensor, "b m"], weights: Float[Tensor, "b m"]) -> Float[Tensor, "b w"]:
    """Σ_m weights · table[ids], without b × m × w numbers in memory."""
    if not ids.shape[1]:
        return table.new_zeros(len(ids), table.shape[1])
    return torch.nn.functional.embedding_bag(ids, table, per_sample_weights=weights, mode="sum")


def gather_evidence(records: Records, n_items: int, weights: Float[Tensor, " n_users"]) -> Evidence:
    """Count the records.

    Args:
        records: N slates, at least one of a weight above 0.
        n_items: n.
        weights: how often each user counts.
    """
    count, liked = torch.zeros(n_items + 1, dtype=torch.float64), torch.zeros(n_items + 1, dtype=torch.float64)
    for batch in records.batches():
        counts = weights[batch.user].double()[:, None].expand(-1, records.k)
        count += torch.bincount(batch.exposed.flatten(), counts.flatten(), n_items + 1)
        liked += torch.bincount(batch.exposed.flatten(), (counts * batch.feedback).flatten(), n_items + 1)
    mean = liked.sum() / count.sum()
    rate = ((liked + ITEM_PRIOR * mean) / (count + ITEM_PRIOR)).float()
    return Evidence(rate, count.float(), _profile_weights(records, rate, weights))


def surprise_factors(
    records: Records, rate: Float[Tensor, " n_plus_1"], weights: Float[Tensor, " n_users"]
) -> Float[Tensor, "n_plus_1 w"]:
    """F with F Fᵀ ≈ the mean over users of surprise ⊗ surprise, by its leading directions: what surprises go together."""
    n_items, surprises = len(rate) - 1, records.feedback - rate[records.exposed]
    users = records.user[:, None].expand(records.exposed.shape)
    values = (surprises * weights[users].sqrt()).numpy().ravel()
    shape = (len(records.profiles), n_items + 1)
    matrix = csr_matrix((values, (users.numpy().ravel(), records.exposed.numpy().ravel())), shape=shape, dtype=np.float64)
    width = min(N_FACTORS, min(shape) - 1)
    if width < 1 or not matrix.nnz:
        return torch.zeros(n_items + 1, N_FACTORS)
    # A start of its own, so that the same records give the same factors.
    start = np.random.default_rng(0).standard_normal(min(shape))
    _, sizes, directions = svds(matrix, k=width, v0=start)
    factors = (directions * sizes[:, None] / float(weights.sum()) ** 0.5).T
    return torch.from_numpy(np.pad(factors, ((0, 0), (0, N_FACTORS - width))).astype(np.float32))


def _profile_weights(
    records: Records, rate: Float[Tensor, " n_plus_1"], weights: Float[Tensor, " n_users"]
) -> Float[Tensor, " u"]:
    """Ridge regression of surprises on profiles."""
    n_users = len(records.profiles)
    sums, n_slates = torch.zeros(n_users, dtype=torch.float64), torch.zeros(n_users, dtype=torch.int64)
    for batch in records.batches():
        # Added one after another, so that the sums do not depend on where a batch ends.
        sums.index_add_(0, batch.user, (batch.feedback - rate[batch.exposed]).sum(dim=1).double())
        n_slates += torch.bincount(batch.user, minlength=n_users)
    answers, sums = n_slates * records.k * weights.double(), sums * weights
    profiles = records.profiles.double()
    gram = (profiles * answers[:, None]).T @ profiles + PROFILE_PRIOR * torch.eye(profiles.shape[1], dtype=torch.float64)
    return torch.linalg.solve(gram, profiles.T @ sums).float()

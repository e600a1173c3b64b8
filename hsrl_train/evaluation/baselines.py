"""Reference policies: those that need no learning, and those that know the simulated user (docs/protocol.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, Policy, Records, ResponseModel, State
from hsrl_train.learner.decoding import SidIndex, highest, seen
from pipeline.errors import TrainingError

# States asked at once where a whole catalogue answers: bounds the memory at STATES_AT_ONCE × n floats.
STATES_AT_ONCE = 256
# Rankings by items alone.
LIKE_RATE, POPULARITY = "item like-rate", "item popularity"


@dataclass(frozen=True)
class ItemScores:
    """A number for each item, the same for everyone: what ranking without any user reaches on real slates.

    Attributes:
        by_item: (n + 1,) higher = rather shown.
    """

    by_item: Float[Tensor, " n_plus_1"]

    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """Of each item for each of b users."""
        return self.by_item[items]


def item_scores(train: Records, catalogue: Catalogue) -> dict[str, ItemScores]:
    """Log-odds of each item's likes among its showings in the training records, half a like and half a refusal added; and its likes."""
    shown, liked = torch.zeros(2, len(catalogue.is_active), dtype=torch.float64)
    for batch in train.batches():
        items = batch.exposed.flatten()
        shown += torch.bincount(items, minlength=len(shown))
        liked += torch.bincount(items, batch.feedback.flatten().double(), minlength=len(shown))
    log_odds = torch.log((liked + 0.5) / (shown - liked + 0.5))
    return {LIKE_RATE: ItemScores(log_odds.float()), POPULARITY: ItemScores(catalogue.popularity)}


@dataclass(frozen=True)
class RandomSlates:
    """Any K active items, all sets alike."""

    active: Int[Tensor, " m"]
    forbids_repeats: bool = False

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """Draw K different items a user."""
        keys = torch.full((len(state.history), int(self.active.max()) + 1), -torch.inf)
        keys[:, self.active] = torch.rand(len(state.history), len(self.active), generator=generator)
        return best_unseen(keys, state, k, forbids_repeats=self.forbids_repeats)


@dataclass(frozen=True)
class ConstantSlate:
    """One ranking of the items for everyone, always.

    Attributes:
        ranking: active items, the best first.
        forbids_repeats: whether what the user was shown before comes last; else all slates are the same.
    """

    ranking: Int[Tensor, " m"]
    forbids_repeats: bool = False

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The first K of the ranking that may be shown; nothing is random."""
        scores = torch.full((int(self.ranking.max()) + 1,), -torch.inf)
        scores[self.ranking] = -torch.arange(len(self.ranking), dtype=torch.float32)
        return best_unseen(scores.expand(len(state.history), -1), state, k, forbids_repeats=self.forbids_repeats)


@dataclass(frozen=True)
class GreedyOracle:
    """The K items the given response models like best for this state, by the mean of their probabilities.

    On the simulator that judges it is the greedy oracle; on the simulators that policies learn in, the transfer oracle.
    """

    models: tuple[ResponseModel, ...]
    forbids_repeats: bool = False

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K most probable active items that may be shown; nothing is random."""
        return best_unseen(mean_probabilities(self.models, state), state, k, forbids_repeats=self.forbids_repeats)


@dataclass(frozen=True)
class SidOracle:
    """The best that a Semantic ID can say: SIDs by the mean probability of their items, inside one SID the popular first.

    A SID oracle cannot distinguish items that share a SID; how far it lies below the greedy oracle is the price of that.
    """

    model: ResponseModel
    index: SidIndex
    forbids_repeats: bool = False

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K items of the best SIDs that may be shown; nothing is random."""
        liked = torch.sigmoid(self.model.all_logits(state))[:, self.index.items]
        sizes = self.index.start.diff()
        summed = torch.zeros(len(liked), len(sizes)).index_add_(1, self.index.bucket, liked)
        return self.index.best(summed / sizes, k, seen(state) if self.forbids_repeats else None)


def best_unseen(scores: Float[Tensor, "b n_plus_1"], state: State, k: int, *, forbids_repeats: bool) -> Int[Tensor, "b k"]:
    """The k items of highest score, which is −∞ for those that may not be shown.

    With ``forbids_repeats`` what the user was shown before comes last, in the same order.
    """
    if not forbids_repeats:
        return scores.topk(k, dim=1).indices
    before = seen(state)
    is_there = before < scores.shape[1]
    is_seen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, before * is_there, value=True)
    return highest(scores, is_seen, k)


def mean_probabilities(models: Sequence[ResponseModel], state: State) -> Float[Tensor, "b n_plus_1"]:
    """Mean over the models of σ(logit), in [0, 1]; −∞ for padding and inactive items."""
    logits = torch.stack([model.all_logits(state) for model in models])
    return torch.where(logits[0] == -torch.inf, -torch.inf, torch.sigmoid(logits).mean(dim=0))


def popular_slate(catalogue: Catalogue) -> ConstantSlate:
    """Active items by their likes in the training records; ties to the lower number."""
    active = catalogue.is_active.nonzero().squeeze(1)
    return ConstantSlate(active[catalogue.popularity[active].argsort(descending=True, stable=True)])


def best_constant_slate(models: Sequence[ResponseModel], states: State, catalogue: Catalogue) -> ConstantSlate:
    """Active items by their mean probability over ``states``, taken from the training records, in the training simulators."""
    summed = torch.zeros(len(catalogue.is_active))
    for rows in torch.arange(len(states.history)).split(STATES_AT_ONCE):
        summed += mean_probabilities(models, states.select(rows)).sum(dim=0)
    n_active = int(catalogue.is_active.sum())
    return ConstantSlate(summed.argsort(descending=True, stable=True)[:n_active])


def reference_policies(
    training: Sequence[ResponseModel],
    judge: ResponseModel,
    training_states: State,
    catalogue: Catalogue,
    k: int,
    *,
    forbids_repeats: bool = False,
) -> Mapping[str, Policy]:
    """Every reference row for one evaluation simulator, by name, from the weakest to the strongest knowledge.

    Args:
        training: the simulators that policies learn in.
        judge: the simulator that will judge these rows.
        training_states: states of training records, for the best constant slate.
        catalogue: what may be shown.
        k: length of a slate.
        forbids_repeats: whether what a user was shown before comes last in every row.

    Raises:
        TrainingError: fewer than ``k`` items are active, or have a SID.
    """
    active = catalogue.is_active.nonzero().squeeze(1)
    if len(active) < k:
        raise TrainingError(
            f"reference rows: {len(active)} items are active, expected at least the slate's {k}; shorten the slate"
        )
    index = SidIndex.of(catalogue)
    index.require(k)
    return {
        "random": RandomSlates(active, forbids_repeats),
        "popular slate": replace(popular_slate(catalogue), forbids_repeats=forbids_repeats),
        "best constant slate": replace(
            best_constant_slate(training, training_states, catalogue), forbids_repeats=forbids_repeats
        ),
        "SID oracle": SidOracle(judge, index, forbids_repeats),
        "transfer oracle": GreedyOracle(tuple(training), forbids_repeats),
        "greedy oracle": GreedyOracle((judge,), forbids_repeats),
    }

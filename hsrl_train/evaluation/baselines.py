"""Reference rows: policies that need no learning, or that cheat by knowing the user (docs/design.md §7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, Policy, ResponseModel, State
from hsrl_train.learner.decoding import SidIndex
from pipeline.errors import TrainingError

# States asked at once where a whole catalogue answers: bounds the memory at STATES_AT_ONCE × n floats.
STATES_AT_ONCE = 256


@dataclass(frozen=True)
class RandomSlates:
    """Any K active items, all sets alike."""

    active: Int[Tensor, " m"]

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """Draw K different items a user."""
        keys = torch.rand(len(state.history), len(self.active), generator=generator)
        return self.active[keys.topk(k, dim=1).indices]


@dataclass(frozen=True)
class ConstantSlate:
    """The same K items for everyone, always.

    Attributes:
        ranking: active items, the best first.
    """

    ranking: Int[Tensor, " m"]

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The first K of the ranking; nothing is random."""
        return self.ranking[:k].expand(len(state.history), k)


@dataclass(frozen=True)
class GreedyOracle:
    """The K items the given response models like best for this state, by the mean of their probabilities.

    On the simulator that judges it is the greedy oracle; on the simulators that policies learn in, the transfer oracle.
    """

    models: tuple[ResponseModel, ...]

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K most probable active items; nothing is random."""
        return mean_probabilities(self.models, state).topk(k, dim=1).indices


@dataclass(frozen=True)
class SidOracle:
    """The best that a Semantic ID can say: SIDs by the mean probability of their items, inside one SID the popular first.

    Items that share a SID cannot be told apart; how far this row lies below the greedy oracle is the price of that.
    """

    model: ResponseModel
    index: SidIndex

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K items of the best SIDs; nothing is random."""
        liked = torch.sigmoid(self.model.all_logits(state))[:, self.index.items]
        sizes = self.index.start.diff()
        summed = torch.zeros(len(liked), len(sizes)).index_add_(1, self.index.bucket, liked)
        return self.index.best(summed / sizes, k)


def mean_probabilities(models: Sequence[ResponseModel], state: State) -> Float[Tensor, "b n_plus_1"]:
    """Mean over the models of σ(logit), in [0, 1]; −1 for padding and inactive items, below anything that may be shown."""
    logits = torch.stack([model.all_logits(state) for model in models])
    return torch.where(logits[0] == -torch.inf, -1.0, torch.sigmoid(logits).mean(dim=0))


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
    training: Sequence[ResponseModel], judge: ResponseModel, training_states: State, catalogue: Catalogue, k: int
) -> Mapping[str, Policy]:
    """Every reference row for one evaluation simulator, by name, from the weakest to the strongest knowledge.

    Args:
        training: the simulators that policies learn in.
        judge: the simulator that will judge these rows.
        training_states: states of training records, for the best constant slate.
        catalogue: what may be shown.
        k: length of a slate.

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
        "random": RandomSlates(active),
        "popular slate": popular_slate(catalogue),
        "best constant slate": best_constant_slate(training, training_states, catalogue),
        "SID oracle": SidOracle(judge, index),
        "transfer oracle": GreedyOracle(tuple(training)),
        "greedy oracle": GreedyOracle((judge,)),
    }

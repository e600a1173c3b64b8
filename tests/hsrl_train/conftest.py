"""Small worlds whose right answers are known (docs/baselines.md §4), for simulators, policies and learners."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue, ResponseModel, State
from hsrl_train.evaluation.rollouts import SharedStarts
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.users import OpenUsers

HISTORY = 20  # holds every like of the longest session with two items a slate, but for the twenty oldest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """As the flows run it; two threads on matrices this small wait for one another."""
    torch.set_num_threads(1)


@dataclass(frozen=True)
class KnownWorld:
    """A catalogue, the environment of its users, and what its slates are worth."""

    catalogue: Catalogue
    environment: Environment
    k: int

    def starts(self, n: int) -> State:
        """n users of whom nothing is known."""
        return State(torch.zeros(n, 0), torch.zeros(n, HISTORY, dtype=torch.int64))

    def shared(self, n: int, seed: int = 1) -> SharedStarts:
        """The same n users and their luck for every policy."""
        return SharedStarts(self.starts(n), self.k, self.catalogue, seed)


@dataclass(frozen=True)
class Tabular(OpenUsers):
    """Users who answer by a table: the probability of every item (n + 1,), given how often each was liked before."""

    probability: Callable[[Tensor], Tensor]
    is_active: Tensor

    def all_logits(self, state: State, tastes: Tensor | None = None) -> Tensor:
        likes = torch.nn.functional.one_hot(state.history, len(self.is_active)).sum(dim=1)
        return torch.logit(self.probability(likes)).masked_fill(~self.is_active.to(likes.device), -torch.inf)


def make_catalogue(tokens: Sequence[Sequence[int]], popularity: Sequence[float] | None = None) -> Catalogue:
    """Items 1 … n with these tokens and one-hot vectors, all active; popularity 1 each unless told."""
    n, levels = len(tokens), len(tokens[0])
    return Catalogue(
        item_ids=np.arange(1, n + 1),
        vectors=torch.eye(n + 1)[:, 1:],
        tokens=torch.tensor([[-1] * levels, *tokens]),
        vocabulary=tuple(max(row[level] for row in tokens) + 1 for level in range(levels)),
        is_active=torch.arange(n + 1) > 0,
        popularity=torch.tensor([0.0, *(popularity or [1.0] * n)]),
    )


@pytest.fixture
def catalogue_of() -> Callable[..., Catalogue]:
    """Build a catalogue from its tokens; see ``make_catalogue``."""
    return make_catalogue


@pytest.fixture
def fixed_response() -> Callable[..., ResponseModel]:
    """A user who likes item i with probability p_i (i = 1 … n), whatever came before."""

    def build(*p: float) -> ResponseModel:
        table = torch.tensor([0.0, *p])
        return Tabular(lambda likes: table.expand(len(likes), -1), torch.arange(len(table)) > 0)

    return build


@pytest.fixture
def two_shelves() -> KnownWorld:
    """Shelf A (items 1, 2) is liked at .6; shelf B (3, 4) at .35 until two likes of B stand in the history, then at .95.

    K = 2, c = .2, T0 = 20. Exact reward / depth: always A 5.363 / 10.314 (what a myopic policy does), always B 10.731 / 13.725.
    """
    catalogue = make_catalogue([[0, 0], [0, 1], [1, 0], [1, 1]])

    def probability(likes: Tensor) -> Tensor:
        b = torch.where(likes[:, 3:].sum(dim=1, keepdim=True) >= 2, 0.95, 0.35)
        a = torch.full_like(b, 0.6)
        return torch.cat([torch.zeros_like(b), a, a, b, b], dim=1)

    environment = Environment([Tabular(probability, catalogue.is_active)], EnvironmentConfig(cost=0.2, repeats="allowed"))
    return KnownWorld(catalogue, environment, k=2)


@pytest.fixture
def four_genres() -> KnownWorld:
    """Genres of two items; a user likes one hidden genre at .9 and the others at .1. Four kinds of users, evenly spread.

    K = 2, c = .2, T0 = 20. Reward / depth over 4,000 episodes: random 1.24 / 7.69, one fixed genre 3.23 / 8.83, posterior greedy
    9.67 / 13.05, ask two then exploit 10.77 / 13.80.
    """
    catalogue = make_catalogue([[genre, place] for genre in range(4) for place in range(2)])

    def users_of(genre: int) -> ResponseModel:
        table = torch.tensor([0.0] + [0.9 if item // 2 == genre else 0.1 for item in range(8)])
        return Tabular(lambda likes: table.expand(len(likes), -1), catalogue.is_active)

    environment = Environment([users_of(genre) for genre in range(4)], EnvironmentConfig(cost=0.2, repeats="allowed"))
    return KnownWorld(catalogue, environment, k=2)

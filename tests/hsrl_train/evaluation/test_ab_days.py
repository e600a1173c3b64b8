"""A day of a service: what answers earn is what was liked, item by item."""

import torch
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.evaluation.ab_days import serve
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.users import OpenUsers

N_ITEMS, K, B = 8, 2, 5


class Even(OpenUsers):
    """Users who like an item as often as not."""

    def all_logits(self, state: State, tastes: Tensor | None = None) -> Tensor:
        return torch.zeros(len(state.history), N_ITEMS + 1)


class Anything:
    """Slates of any two items."""

    def slates(self, state: State, k: int, generator: torch.Generator) -> Tensor:
        return torch.rand(len(state.history), N_ITEMS, generator=generator).topk(k, dim=1).indices + 1


def test_likes_earn_the_value_and_the_cost_of_their_items() -> None:
    people = State(torch.zeros(B, 1), torch.zeros(B, 4, dtype=torch.int64), user=torch.arange(B))
    environment, kinds = Environment([Even()], EnvironmentConfig()), torch.zeros(B, dtype=torch.int64)
    values = torch.stack([torch.ones(N_ITEMS + 1), torch.arange(N_ITEMS + 1.0)], dim=1)
    served = serve(Anything(), environment, people, kinds, K, 3, values)
    assert torch.equal(served.earned[:, 0], served.n_shown - served.n_refused) and served.earned[:, 0].sum() > 0
    user, _, slate, feedback = served.rows
    by_hand = [
        sum(float(item) for row in range(len(user)) if user[row] == each for item in slate[row][feedback[row] > 0])
        for each in range(B)
    ]
    assert served.earned[:, 1].tolist() == by_hand
    without = serve(Anything(), environment, people, kinds, K, 3)
    assert without.earned.shape == (B, 0) and torch.equal(without.reward, served.reward)

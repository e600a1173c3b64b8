"""What the likelihood learns from: answers that were drawn, or what the simulators expect."""

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.sections import LossesConfig
from hsrl_train.learner.supervision import Supervision, supervise
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.users import OpenUsers

STATE = State(torch.zeros(3, 1), torch.zeros(3, 2, dtype=torch.int64))
SLATE = torch.tensor([[1, 2], [3, 4], [5, 6]])
FEEDBACK = torch.tensor([[1.0, 0.0]] * 3)


class Constant(OpenUsers):
    """Likes everything alike."""

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Tensor | None = None) -> Float[Tensor, "b k"]:
        return torch.full(slate.shape, self.logit)


def asked(pessimism: float = 0.0, **config: object) -> Supervision:
    environment = Environment([Constant(2.0), Constant(-2.0)], EnvironmentConfig(pessimism=pessimism))
    generator = torch.Generator().manual_seed(0)
    return supervise(environment, STATE, SLATE, FEEDBACK, torch.tensor([8, 9]), LossesConfig(**config), generator)  # type: ignore[arg-type]


def test_drawn_answers_are_those_of_the_slate() -> None:
    told = asked(answers="drawn")
    assert torch.equal(told.items, SLATE)
    assert torch.equal(told.answers, FEEDBACK)


def test_expected_answers_are_the_mean_over_all_simulators() -> None:
    """σ(2) and σ(−2) have the mean ½, whatever the session drew."""
    assert asked(answers="expected").answers == pytest.approx(torch.full((3, 42), 0.5))


def test_pessimism_takes_from_what_they_do_not_agree_on() -> None:
    """Mean 0, deviation 2: σ(−2)."""
    assert asked(pessimism=1.0).answers[0, 0].item() == pytest.approx(1 / (1 + 2.718281828**2))


def test_the_slate_comes_first_then_what_others_were_shown_then_anything_showable() -> None:
    items = asked(n_asked=7).items
    assert torch.equal(items[:, :2], SLATE)
    assert items[:, 2:5].max() <= 6
    assert set(items[:, 5:].flatten().tolist()) == {8, 9}

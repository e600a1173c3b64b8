"""A public that tires, on four items whose own vectors are ±1 along two axes."""

from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from hsrl_train.simulator.environment import Environment
from hsrl_train.simulator.response import FrozenResponse, UserResponse
from hsrl_train.simulator.saturation import SaturatingResponse


def public(catalogue_of: Any, strength: float, half_life: float = 1.0) -> SaturatingResponse:
    """Items 1 and 2 look in opposite directions, 3 and 4 along another axis; half a tiredness is left after one item."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        catalogue = catalogue_of([[0]] * 4)
        module = UserResponse(catalogue, 0, SimulatorConfig(width=2, n_heads=1)).requires_grad_(False)
        module.item.weight.copy_(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]))
        module.item.bias.zero_()
        return SaturatingResponse(module, catalogue, strength, half_life)


def after(*shown: int, width: int = 4) -> State:
    return State(torch.zeros(1, 0), torch.tensor([[3, 0]]), torch.tensor([[*shown, *[0] * (width - len(shown))]]))


def tiredness(catalogue_of: Any, *shown: int) -> list[float]:
    """Of items 1 … 4, as what it takes from the logits at strength 1."""
    fresh, tired = (public(catalogue_of, strength).all_logits(after(*shown))[0, 1:] for strength in (0.0, 1.0))
    return (fresh - tired).tolist()


def test_at_strength_0_the_answers_are_the_calibrated_users_bit_for_bit(catalogue_of: Any) -> None:
    saturating = public(catalogue_of, 0.0)
    calibrated = FrozenResponse(saturating.module, catalogue_of([[0]] * 4))
    slate = torch.tensor([[1, 4]])
    assert torch.equal(saturating.logits(after(1, 1), slate), calibrated.logits(after(1, 1), slate))
    assert torch.equal(saturating.all_logits(after(1, 1)), calibrated.all_logits(after(1, 1)))


def test_what_was_just_shown_tires_and_recovers_while_others_are_shown(catalogue_of: Any) -> None:
    """ρ = ½: shown last it weighs ½, one item ago ¼. Opposites and other axes do not tire."""
    assert tiredness(catalogue_of, 1) == pytest.approx([0.5, 0, 0, 0])
    assert tiredness(catalogue_of, 1, 3) == pytest.approx([0.25, 0, 0.5, 0])
    assert tiredness(catalogue_of, 1, 1, 1) == pytest.approx([0.875, 0, 0, 0])


def test_refused_items_tire_as_liked_ones_do(catalogue_of: Any) -> None:
    assert tiredness(catalogue_of, -1, 3) == tiredness(catalogue_of, 1, 3)


def test_shown_items_and_all_items_are_answered_alike(catalogue_of: Any) -> None:
    model, state = public(catalogue_of, 2.0), after(1, -3, 4)
    slate = torch.tensor([[4, 2, 1, 3]])
    assert torch.allclose(model.logits(state, slate), model.all_logits(state).gather(1, slate), atol=1e-6)


def test_in_a_session_the_same_slate_is_liked_less_and_less(catalogue_of: Any) -> None:
    """Items 1 and 3 by turns, both already tired of."""
    environment = Environment([public(catalogue_of, 2.0, half_life=4.0)], EnvironmentConfig(memory=8))
    sessions, slate, p = environment.start(after(), torch.Generator()), torch.tensor([[1, 3]]), []
    for _ in range(4):
        p.append(environment.probabilities(sessions, slate).mean().item())
        sessions = environment.step(sessions, slate, torch.full((1, 2), 0.999999)).sessions
    assert p == sorted(p, reverse=True) and p[0] > p[3] + 0.1

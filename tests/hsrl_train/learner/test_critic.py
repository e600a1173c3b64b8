"""The multi-level critic and its weights."""

from typing import Literal, cast

import pytest
import torch

from hsrl_train.learner.critic import MultiLevelCritic


def reading_critic(
    values: Literal["all_levels", "first_level"] = "all_levels", level_weights: Literal["learned", "fixed"] = "learned"
) -> MultiLevelCritic:
    """V_φ without hidden layers that returns a context's one coordinate."""
    critic = MultiLevelCritic(width=1, n_contexts=3, hidden=(), values=values, level_weights=level_weights)
    with torch.no_grad():
        layer = cast(torch.nn.Linear, critic.value[0])
        layer.weight.fill_(1.0)
        layer.bias.zero_()
    return critic


CONTEXTS = torch.tensor([[[3.0], [6.0], [0.0]]])


def test_the_value_is_the_weighted_sum_over_the_levels() -> None:
    """Equal weights: (3 + 6 + 0) / 3 = 3. With ω = (0, log 2, 0), w = (¼, ½, ¼): 0.75 + 3 + 0 = 3.75."""
    critic = reading_critic()
    assert critic(CONTEXTS).item() == pytest.approx(3.0)
    with torch.no_grad():
        critic.omega[1] = torch.tensor(2.0).log()
    assert critic.weights().tolist() == pytest.approx([0.25, 0.5, 0.25])
    assert critic(CONTEXTS).item() == pytest.approx(3.75)


def test_level_weights_learn_towards_the_level_that_tells_the_target() -> None:
    """The target is level 1's value, 6: one step of descent must raise its weight and lower the others'."""
    critic = reading_critic()
    (critic(CONTEXTS) - 6.0).square().sum().backward()
    assert critic.omega.grad is not None
    assert critic.omega.grad[1] < 0 < critic.omega.grad[2]


def test_fixed_weights_have_no_gradient() -> None:
    critic = reading_critic(level_weights="fixed")
    critic(CONTEXTS).sum().backward()
    assert critic.omega.grad is None


def test_one_value_reads_the_state_only() -> None:
    """c(0) says 5; the mean of all contexts would say 4."""
    contexts = torch.tensor([[[5.0], [6.0], [1.0]]])
    assert reading_critic(values="first_level")(contexts).item() == pytest.approx(5.0)

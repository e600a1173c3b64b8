"""What the likelihood learns from: answers that a session drew, or that the training simulators expect, also of other items."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.sections import LossesConfig
from hsrl_train.simulator.environment import Environment


class Supervision(NamedTuple):
    """Items and their answers, for each of b states.

    Attributes:
        items: item numbers; the slate, then the other items that were asked about. An item may come twice.
        answers: drawn, 0 or 1, or expected, in [0, 1].
    """

    items: Int[Tensor, "b j"]
    answers: Float[Tensor, "b j"]


def supervise(
    environment: Environment,
    state: State,
    slate: Int[Tensor, "b k"],
    feedback: Float[Tensor, "b k"],
    showable: Int[Tensor, " m"],
    config: LossesConfig,
    generator: torch.Generator,
) -> Supervision:
    """Answers to learn from.

    A drawn answer of an item that is liked nine times in ten has a variance of .09, where good items differ by a few hundredths:
    expected answers spare the learner the averaging. Half of the further items are
    any that can be shown, one half were shown to others in this batch, which policies come to show because they are good.

    Args:
        environment: whose response models are asked, all of them.
        state: of b users.
        slate: what was shown.
        feedback: what was answered.
        showable: items that the method can score.
        config: ``answers`` and ``n_asked``.
        generator: chooses the items.
    """
    if config.answers != "expected":
        return Supervision(slate, feedback)
    b, n_others = len(slate), config.n_asked // 2
    others = slate.flatten()[torch.randint(slate.numel(), (b, n_others), generator=generator).to(slate.device)]
    anyone = showable[torch.randint(len(showable), (b, config.n_asked - n_others), generator=generator).to(slate.device)]
    items = torch.cat([slate, others, anyone], dim=1)
    return Supervision(items, environment.expected(state, items))


def has_likelihood(config: LossesConfig) -> bool:
    """Whether the supervision weighs anything at any time of a training."""
    return bool(config.likelihood_weight or config.likelihood_end_weight)


def likelihood_weight_at(done_share: float, config: LossesConfig) -> float:
    """The supervision's weight: as configured, and with an end weight linearly there over the first half of the training."""
    if config.likelihood_end_weight is None:
        return config.likelihood_weight
    return config.likelihood_weight + min(1.0, 2 * done_share) * (config.likelihood_end_weight - config.likelihood_weight)

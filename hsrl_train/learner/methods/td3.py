"""TD3 over hyper-actions: DDPG with twin critics, a delayed actor and smoothed targets (Fujimoto et al. 2018; docs/baselines.md §3.5).

    y = r + γ (1 − done) min_j Q̄_j(s', μ̄(s') + clip(N(0, σ_t²), −2.5 σ_t, 2.5 σ_t)),   L_actor = −Q_1(s, μ(s)) every ``delay`` updates

[A] σ_t is in root mean squares of the coordinates of μ̄(s'). ``td3_published`` is what HAC's group calls TD3: twin critics, no delay, no
smoothing, and an actor on the smaller of the two (HAC Table 3).
"""

from jaxtyping import Float
from torch import Tensor

from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.hyper_action import CUT, noisy
from hsrl_train.learner.methods.ddpg import UNSUPERVISED, Ddpg
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch


class Td3(Ddpg):
    """The learner: DDPG that trusts neither of two critics too much."""

    is_delayed = True

    @classmethod
    def n_critics(cls, config: LearnerConfig) -> int:
        """Two, or as DDPG one."""
        return 2 if config.hyper_action.twin else 1

    def next_action(self, batch: Batch, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """μ̄(s') with noise that a value should not depend on."""
        return noisy(super().next_action(batch, context), self.config.hyper_action.smoothing, self.generator, CUT)


class PublishedTd3(Td3):
    """The actor too asks both critics."""

    actor_asks = 2

    @classmethod
    def n_critics(cls, config: LearnerConfig) -> int:
        """Two."""
        return 2


PUBLISHED = Method(
    "td3_published",
    PublishedTd3,
    PublishedTd3.read,
    fixed={**UNSUPERVISED, "hyper_action": {"delay": 1, "smoothing": 0.0}},
)
METHOD = Method("td3", Td3, Td3.read, fixed=UNSUPERVISED)

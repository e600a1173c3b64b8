"""ItemA2C: A2C whose items have advantages of their own that sum to the slate's (KDD '24, arXiv 2401.16108).

    A_k = ρ_k / K + w_k (γ (1 − d) V̄(s') − V(s)),   Σ_k w_k = 1,   w_k ∝ ρ_k + α
    L_PG = −E[Σ_k A_k log π(i_k | s)]

This is the kind "-W", items share the values by their rewards; "-M" learns the shares by an adversary and is not here. [A] Reconstructed
from the abstract and summaries: ρ / K, since a slate's reward is the mean here, so that the sum is the slate's advantage; α above the
cost, so that no share is negative; cut to ±clip after the factor K that makes it comparable with A2C's mean over items. A folded reward is
no mean of its items'; what it differs by is shared like a value.
"""

from jaxtyping import Float
from torch import Tensor

from hsrl_train.learner.methods.a2c import A2c
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch
from pipeline.errors import TrainingError


def item_shares(item_reward_t: Float[Tensor, "b k"], smoothing: float) -> Float[Tensor, "b k"]:
    """w ∝ ρ + α; positive, and 1 in sum over the slate.

    Raises:
        TrainingError: α is not above the cost of a refused item, so that a share would not be positive.
    """
    raised = item_reward_t + smoothing
    if not (raised > 0).all():
        raise TrainingError(
            f"training: an item's reward is {float(item_reward_t.min()):g}, expected above -{smoothing:g}; "
            "raise item_smoothing in [learner.actor_critic] above the cost in [environment]"
        )
    return raised / raised.sum(dim=1, keepdim=True)


class ItemA2c(A2c):
    """The learner: A2C in all but the advantage."""

    def advantage(
        self, batch: Batch, value_t: Float[Tensor, " b"], value_tp1: Float[Tensor, " b"]
    ) -> Float[Tensor, " b"] | Float[Tensor, "b k"]:
        """K A_k, cut, without gradient."""
        rho = batch.item_reward_t
        gain = self.config.losses.gamma * (~batch.done_t) * value_tp1 - value_t + batch.reward_t - rho.mean(dim=1)
        shares = item_shares(rho, self.config.actor_critic.item_smoothing)
        clip = self.config.losses.advantage_clip
        return (rho + rho.shape[1] * shares * gain[:, None]).detach().clamp(-clip, clip)


METHOD = Method("item_a2c", ItemA2c, ItemA2c.read, fixed={"search": {"n_rounds": 0}})

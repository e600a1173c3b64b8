"""DDPG over hyper-actions: actor and critic both live in the space of Z (Lillicrap et al. 2016, as HAC §3.1.3 has it).

    y = r + γ (1 − done) Q̄(s', μ̄(s')),   L_TD = (Q(s, Z) − y)²,   L_actor = −Q(s, μ(s))

Z in L_TD is what was noted when the slate was chosen, noise and all. [A] Slates of the log have no Z; the mean of their items stands for
it, HAC's inverse module. As published: no supervision, no alignment, noise on Z.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from hsrl_train.learner.hyper_action import of_log, pooled
from hsrl_train.learner.methods.hyper_actor import HyperActor
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch

# What HAC's group publishes as DDPG has no answer of a single item in its loss.
UNSUPERVISED: Mapping[str, Mapping[str, Any]] = {
    "losses": {"likelihood_weight": 0.0, "likelihood_end_weight": None},
    "search": {"n_rounds": 0},
}


class Ddpg(HyperActor):
    """The learner: critics of Z itself."""

    def taken(self, batch: Batch, items: Float[Tensor, "n_plus_1 d"]) -> Float[Tensor, "b d"]:
        """Z as it was noted."""
        z_hat = pooled(items, batch.slate)
        return of_log(batch.note[:, : z_hat.shape[1]] if batch.note.shape[1] else z_hat, z_hat)

    def next_action(self, batch: Batch, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """μ̄(s')."""
        z: Tensor = self.target.hyper_action(context)
        return z


METHOD = Method("ddpg", Ddpg, Ddpg.read, fixed=UNSUPERVISED)

"""HAC, Hyper-Actor Critic: the critic judges slates, the actor vectors, and a term keeps both in one space (HAC eq. 1–10, Algorithm 1).

    L = L_TD + λ_q L_QMax + λ_h L_Hyper + λ_b L_BCE
    L_TD    = (r + γ (1 − done) Q̄(s', Ẑ̄(s')) − Q(s, Ẑ))²      Ẑ = mean item of the shown slate, Ẑ̄(s') of the target's best slate
    L_QMax  = −Q(s, Z)                                         Z of the actor; reaches neither critic nor state
    L_Hyper = ‖Z − Ẑ(Z)‖²                                      Ẑ(Z) = mean item of Z's own best slate; reaches actor and items
    L_BCE   = BCE(⟨Z, e_i⟩, y_i)                               reaches actor and items

Switches: supervision λ_b is ``losses.likelihood_weight``, alignment λ_h ``hyper_action.alignment_weight``, noise on Z
``hyper_action.noise``, sampling of items ``hyper_action.greedy_share``. As published: all of them, one critic, top-k of a noisy Z.
[A] One Adam with λ_q and λ_b in place of a learning rate a loss; BCE is a mean over the items that are asked about, not their sum; noise
is in units of Z. The encoder learns from the critic only where ``network.critic_trains_encoder``, as for every method.
"""

from jaxtyping import Float
from torch import Tensor

from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.hyper_action import alignment_loss, log_odds, pooled
from hsrl_train.learner.methods.hyper_actor import Draft, HyperActor
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch, Reads
from hsrl_train.learner.supervision import has_likelihood, likelihood_weight_at


class Hac(HyperActor):
    """The learner: a critic of effect-actions, an actor of hyper-actions."""

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Answers of further items where it is supervised."""
        return Reads(asked_items=has_likelihood(config.losses), logged_rows=True)

    def taken(self, batch: Batch, items: Float[Tensor, "n_plus_1 d"]) -> Float[Tensor, "b d"]:
        """Ẑ of the slate that was shown (6)."""
        return pooled(items, batch.slate)

    def next_action(self, batch: Batch, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Ẑ of the slate that the target policy would show, without noise (7)."""
        target, k = self.target, batch.slate.shape[1]
        slate = self.slate_of(target.hyper_action(context), batch.state_tp1, k, target)
        return pooled(target.items(self.catalogue), slate)

    def actor_terms(self, batch: Batch, draft: Draft, done_share: float) -> dict[str, Tensor]:
        """Alignment (9) and supervision (10); a term of weight 0 is left out."""
        terms: dict[str, Tensor] = {}
        z, items = draft.z, draft.items
        if weight := self.config.hyper_action.alignment_weight:
            z_hat = pooled(items, self.slate_of(z, batch.state_t, batch.slate.shape[1]))
            terms["alignment_loss"] = weight * alignment_loss(z, z_hat)
        if weight := likelihood_weight_at(done_share, self.config.losses):
            asked, answers = batch.supervision
            terms["likelihood_loss"] = weight * losses.two_sided_loss(log_odds(z, items, asked), answers)
        return terms


METHOD = Method("hac", Hac, Hac.read, fixed={"search": {"n_rounds": 0}})

"""A2C over items: a softmax over the catalogue, a value of the state, and the advantage of the slate (HAC §3.1.3; A3C, ICML 2016).

    π(i | s) = softmax over active items of ⟨c(0), W x_i⟩ / √d
    Q̂_t = r_t + γ (1 − d_t) V̄(s_{t+1}),    A_t = clip(Q̂_t − V(s_t))
    L = −E[A_t (1/K) Σ_k log π(i_k | s_t)] + E[(V(s_t) − Q̂_t)²] − λ_en H(π(· | s_t))

As published: slates drawn from the policy, a value alone, replay without importance weights. [A] log π of a slate is the mean over its
items, as HSRL's (22). The switches are those of HSRL: ``losses.importance_clip``, ``network.critic = "decomposed"``,
``network.critic_trains_encoder``; ``actor_critic.likelihood_weight`` gives it the supervision that HSRL and HAC have.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.critic import ActionValue, Judged, critic_term
from hsrl_train.learner.decoding import FAR_BELOW
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, PolicyNetwork, drawn, mlp
from hsrl_train.learner.methods.own_sessions import own_note, own_rows, require_own_sessions
from hsrl_train.learner.replay import Batch, Choice, Reads


class ValuedItems(PolicyNetwork):
    """Items scored in the encoder's item space, V(c(0)), and with a decomposed critic Q(c(0), slate).

    Args:
        encoder: of states and items.
        config: of the learner.
    """

    def __init__(self, encoder: StateEncoder, config: LearnerConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.bias = nn.Parameter(torch.zeros(()))  # of the likelihood
        self.critic = mlp(config.network.width, config.network.critic_hidden, 1)
        is_decomposed = config.network.critic == "decomposed"
        self.action_critic = ActionValue(config.network.width, config.network.critic_hidden) if is_decomposed else None

    def state(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b d"]:
        """c(0)."""
        c0: Tensor = self.encoder(state, catalogue.vectors)
        return c0

    def scores_in(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Logits of the items in encoded states."""
        logits: Tensor = c0 @ self.encoder.item(catalogue.vectors).T * c0.shape[1] ** -0.5
        return logits

    def logits_in(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """What the likelihood takes, its bias aside, for log-odds of a like."""
        return self.scores_in(c0, catalogue)

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Logits of the items."""
        return self.scores_in(self.state(state, catalogue), catalogue)

    def value(self, c0: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """V(s), in units of discounted reward."""
        values: Tensor = self.critic(c0)[:, 0]
        return values


class A2c(NetworkLearner):
    """The learner.

    Raises:
        TrainingError: its batches would hold logged slates alone.
    """

    network: ValuedItems
    target: ValuedItems
    critic_parts = ("critic", "action_critic")

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        require_own_sessions(config)
        super().__init__(catalogue, profile_width, max_history, config, seed)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> ValuedItems:
        """Encoder, bias and critics."""
        return ValuedItems(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network), config)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Items drawn one after another in proportion to π to the power 1 / ``exploration.temperature``."""
        log_probs = self.log_probs(self.network.state(state, self.catalogue))
        weights = log_probs / self.config.exploration.temperature
        slate = drawn(weights, state, self.catalogue, self.config.decoding, k, generator)
        return Choice(slate, log_probs.gather(1, slate), own_note(len(slate)).to(slate.device))

    def log_probs(self, c0: Float[Tensor, "b d"]) -> Float[Tensor, "b n_plus_1"]:
        """log π(i | s) of all items; far below everything for those that are not active."""
        return self.network.scores_in(c0, self.catalogue).masked_fill(~self.catalogue.is_active, FAR_BELOW).log_softmax(dim=1)

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """The likelihood alone reads more than its own slates."""
        is_supervised = config.actor_critic.likelihood_weight > 0
        return Reads(asked_items=is_supervised, logged_rows=is_supervised)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """Policy gradient, entropy and critic on the learner's own slates; the likelihood, where it has a weight, on all."""
        terms = self._reward_terms(own_rows(batch))
        weight = self.config.actor_critic.likelihood_weight
        if weight:
            items, answers = batch.supervision
            c0 = self.network.state(batch.state_t, self.catalogue)
            logits = self.network.logits_in(c0, self.catalogue).gather(1, items) + self.network.bias
            terms["likelihood_loss"] = weight * losses.two_sided_loss(logits, answers)
        return terms

    def advantage(
        self, batch: Batch, value_t: Float[Tensor, " b"], value_tp1: Float[Tensor, " b"]
    ) -> Float[Tensor, " b"] | Float[Tensor, "b k"]:
        """A_t of the slate; ``value_tp1`` is V̄ of the state after it."""
        target = losses.td_target(batch.reward_t, batch.done_t, value_tp1, self.config.losses.gamma)
        return losses.slate_advantage(target, value_t, self.config.losses.advantage_clip)

    def _reward_terms(self, batch: Batch) -> dict[str, Tensor]:
        config = self.config.losses
        c0 = self.network.state(batch.state_t, self.catalogue)
        log_probs = self.log_probs(c0)
        shown = log_probs.gather(1, batch.slate)
        seen_by_critic = c0 if self.config.network.critic_trains_encoder else c0.detach()
        value = self.network.value(seen_by_critic)
        with torch.no_grad():
            value_tp1 = self.target.value(self.target.state(batch.state_tp1, self.catalogue))
        target = losses.td_target(batch.reward_t, batch.done_t, value_tp1, config.gamma)
        items = self.network.encoder.item(self.catalogue.vectors[batch.slate])
        judged = Judged(seen_by_critic, value, target, items, shown, batch.log_prob)
        advantage = self.advantage(batch, value, value_tp1)
        if config.importance_clip:
            weight = losses.importance_weight(shown, batch.log_prob, config.importance_clip)
            advantage = weight * (advantage if advantage.ndim == 2 else advantage[:, None])
        entropy = losses.entropy_by_level(log_probs, (log_probs.shape[1],))
        return {
            "policy_gradient_loss": losses.policy_gradient_loss(advantage, shown),
            "critic_loss": critic_term(self.network.action_critic, judged, config.ratio_clip),
            "entropy_loss": self.config.actor_critic.entropy_weight * losses.entropy_loss(entropy),
        }


METHOD = Method("a2c", A2c, A2c.read, fixed={"search": {"n_rounds": 0}})

"""PG-RA: a policy gradient over Gaussian hyper-actions, items represented by their effects (Chandak et al. 2019; docs/baselines.md §3.6).

    ê ~ N(μ(s), diag(σ²)), σ learned;   the slate is that of ê
    δ = clip(r + γ (1 − done) V̄(s') − V(s)),   L_PG = −δ log N(ê; μ(s), σ²) / d,   L_V = (V(s) − target)²,   λ_r L_RA

ê and its log-density are noted when a slate is chosen. A replayed ê counts by min(π / π_then, 2), since the paper is on-policy; the
density is taken a coordinate (its geometric mean), as a ratio of d-dimensional densities is 0 or beyond any clip.
[A] σ begins at ``hyper_action.noise``, and slates of the log, which no ê chose, teach value and items only. As published the policy is
on-policy and shows one item.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.hyper_action import log_density, of_length
from hsrl_train.learner.methods.ddpg import UNSUPERVISED
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, PolicyNetwork, mlp, showable
from hsrl_train.learner.replay import Batch, Choice
from hsrl_train.learner.representation import InverseModel, guessed_places, representation_loss

# σ begins at no less, where ``noise`` is 0: a Gaussian needs a width.
LEAST_NOISE = 1e-3


class GaussianNetwork(PolicyNetwork):
    """c = encoder(s), μ = MLP(c) of length √d where that is held, σ a parameter, V(c), and the inverse model."""

    def __init__(self, encoder: StateEncoder, config: LearnerConfig) -> None:
        super().__init__()
        width, self.holds_length = config.network.width, config.hyper_action.holds_length
        self.encoder = encoder
        self.hyper_actor = mlp(width, (width,), width)
        self.log_sigma = nn.Parameter(torch.full((width,), math.log(max(config.hyper_action.noise, LEAST_NOISE))))
        self.value = mlp(width, config.network.critic_hidden, 1)
        self.inverse = InverseModel(width)

    def context(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b d"]:
        """c of b states."""
        c0: Tensor = self.encoder(state, catalogue.vectors)
        return c0

    def mean(self, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """μ of b states."""
        return of_length(self.hyper_actor(context), holds_length=self.holds_length)

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """⟨μ, e_i⟩ of every item."""
        items: Tensor = self.encoder.item(catalogue.vectors)
        return self.mean(self.context(state, catalogue)) @ items.T


class PgRa(NetworkLearner):
    """The learner: advantage actor-critic over ê, and the representation loss."""

    network: GaussianNetwork
    target: GaussianNetwork
    critic_parts = ("value",)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> GaussianNetwork:
        """Encoder, policy, value and inverse model."""
        return GaussianNetwork(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network), config)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """The slates of drawn ê; notes ê and its log-density a coordinate."""
        network = self.network
        mean = network.mean(network.context(state, self.catalogue))
        drawn = mean + network.log_sigma.exp() * torch.randn(mean.shape, generator=generator).to(mean.device)
        scores = drawn @ network.encoder.item(self.catalogue.vectors).T
        slate = showable(scores, state, self.catalogue, self.config.decoding, k)
        note = torch.cat([drawn, log_density(drawn, mean, network.log_sigma)[:, None]], dim=1)
        return Choice(slate, drawn.new_zeros(slate.shape), note)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """Policy gradient, TD and the representation loss."""
        network, config = self.network, self.config
        context = network.context(batch.state_t, self.catalogue)
        with torch.no_grad():
            after = network.context(batch.state_tp1, self.catalogue)
            next_value = self.target.value(self.target.context(batch.state_tp1, self.catalogue))[:, 0]
        value = network.value(context if config.network.critic_trains_encoder else context.detach())[:, 0]
        target = losses.td_target(batch.reward_t, batch.done_t, next_value, config.losses.gamma)
        advantage = losses.slate_advantage(target, value, config.losses.advantage_clip)
        counts = guessed_places(batch, clicked_only=config.hyper_action.clicked_only)
        items = network.encoder.item(self.catalogue.vectors)
        loss = representation_loss(network.inverse(context, after), items, batch.slate, counts, self.catalogue.is_active)
        return {
            "critic_loss": losses.critic_loss(value, target),
            "policy_gradient_loss": self._policy_gradient(network.mean(context), batch.note, advantage),
            "representation_loss": config.hyper_action.representation_weight * loss,
        }

    def _policy_gradient(
        self, mean: Float[Tensor, "b d"], note: Float[Tensor, "b w"], advantage: Float[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """−δ log π(ê), a mean over the steps whose ê was noted; 0 where none was."""
        is_noted = ~note.isnan().any(dim=1)
        if not note.shape[1] or not is_noted.any():
            return mean.sum() * 0
        chosen, then = note[is_noted, :-1], note[is_noted, -1]
        log_probs = log_density(chosen, mean[is_noted], self.network.log_sigma)
        clip = self.config.losses.importance_clip
        weights = losses.importance_weight(log_probs[:, None], then[:, None], clip)[:, 0]
        return losses.policy_gradient_loss(weights * advantage[is_noted], log_probs[:, None])


METHOD = Method(
    "pg_ra",
    PgRa,
    PgRa.read,
    fixed={**UNSUPERVISED, "losses": {**UNSUPERVISED["losses"], "importance_clip": losses.MOST_WEIGHT}},
)

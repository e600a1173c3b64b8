"""Our adaptation of mccHRL (Ji et al., 2024, arXiv 2409.07416): a goal for each slate, and an agent that picks its items in sequence.

High level: g = tanh(W c), Q_H(c, g), DDPG on session rewards. Low level: the prefix of a slate runs through a GRU that begins at c and g,
a_k = tanh μ_L(h_k, g) is a proto-item, the nearest free item is shown; its critic reads the candidate through a DIN over history and
prefix, and it is paid for matching the goal too:

    ρ_k = (1 − η)(y_k − c (1 − y_k)) + η cos(e_{i_k}, g)
    y_H = r + γ (1 − d) Q̄_H(s', ḡ'),   y_L = ρ_k + γ_L Q̄_L(next item),  nothing after the last place (or γ V_H, by a switch)

As published: the two agents, their rewards, the shared recurrent encoder, the DIN-like critic, O(K² T). [A] assumed, since the paper does
not say: the widths, tanh, the places of a slate as the low level's steps and slates as the high level's, inner product as nearness,
targets at the nearest free item, an encoder that learns from both critics and from neither actor. Features of the device do not exist here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.losses import critic_loss, td_target
from hsrl_train.learner.mcchrl_config import McchrlConfig
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, Part, PolicyNetwork, free_items, held, mlp
from hsrl_train.learner.replay import Batch, Choice
from hsrl_train.learner.sections import DecodingConfig
from hsrl_train.learner.slate_sequence import DinCritic, LowLevel, nearest_free, seen_before
from hsrl_train.learner.stale_state import state_at_last_visit


class McchrlNetwork(PolicyNetwork):
    """Both agents and their critics over the shared encoder.

    Args:
        encoder: of the past.
        width: d.
        hidden: hidden widths of both critics.
        config: how long a goal is kept.
    """

    def __init__(self, encoder: StateEncoder, width: int, hidden: tuple[int, ...], config: McchrlConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.high = nn.Linear(width, width)
        self.high_critic = mlp(2 * width, hidden, 1)
        self.low = LowLevel(width)
        self.low_critic = DinCritic(width, hidden)
        self.goal_every = config.goal_every

    def goal(self, c0: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """g = tanh(W c), each coordinate in (−1, 1)."""
        wanted: Tensor = self.high(c0).tanh()
        return wanted

    def kept_goal(self, state: State, c0: Float[Tensor, "b d"], catalogue: Catalogue, k: int) -> Float[Tensor, "b d"]:
        """The goal that holds now, set up to ``goal_every`` − 1 slates ago; c0 is of the state now."""
        if self.goal_every == 1:
            return self.goal(c0)
        return self.goal(self.encoder(state_at_last_visit(state, k, self.goal_every), catalogue.vectors))

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """⟨e_i, a_1⟩: how near each item lies to what the first place wants, with a goal set now."""
        c0 = self.encoder(state, catalogue.vectors)
        goal = self.goal(c0)
        items: Tensor = self.encoder.item(catalogue.vectors)
        return self.low.proto(self.low.start(c0, goal)[:, None], goal)[:, 0] @ items.T

    def slates(
        self, state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int, generator: torch.Generator
    ) -> Int[Tensor, "b k"]:
        """Picked in sequence, without noise."""
        c0 = self.encoder(state, catalogue.vectors)
        goal = self.kept_goal(state, c0, catalogue, k)
        free = free_items(state, catalogue, decoding, k)
        return self.low.slate(c0, goal, self.encoder.item(catalogue.vectors), free.added, free.is_last, k)


class Replayed(NamedTuple):
    """Replayed slates: states, goals, vectors of the items, and γ (1 − d) Q̄_H of what followed."""

    c0: Float[Tensor, "b d"]
    goal: Float[Tensor, "b d"]
    items: Float[Tensor, "b k d"]
    future: Float[Tensor, " b"]


class Mcchrl(NetworkLearner):
    """The learner: TD for both critics, both actors up their critics."""

    network: McchrlNetwork
    target: McchrlNetwork
    paid: dict[str, float]

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> McchrlNetwork:
        """Encoder, two actors, two critics."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return McchrlNetwork(encoder, config.network.width, config.network.critic_hidden, config.mcchrl)

    def parts(self) -> Sequence[Part]:
        """Actors at the actor's rate; critics, and what learns from them, at the critic's."""
        actors = [*self.network.high.parameters(), *self.network.low.actor.parameters()]
        theirs = {id(weight) for weight in actors}
        rest = [weight for weight in self.network.parameters() if id(weight) not in theirs]
        return [(actors, self.config.schedule.actor_lr), (rest, self.config.schedule.critic_lr)]

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Goals with noise, which are noted; items of each place as if drawn in proportion to exp(⟨e_i, a_k⟩ / temperature)."""
        network, catalogue = self.network, self.catalogue
        c0 = network.encoder(state, catalogue.vectors)
        goal = network.kept_goal(state, c0, catalogue, k)
        goal = goal + self.config.mcchrl.goal_noise * torch.randn(goal.shape, generator=generator).to(c0.device)
        free = free_items(state, catalogue, self.config.decoding, k)
        minus_gumbel = torch.rand(free.added.shape, generator=generator).to(c0.device).log_().neg_().log_()
        lucky = free.added - self.config.exploration.temperature * minus_gumbel  # the same for all places of a slate
        slate = network.low.slate(c0, goal, network.encoder.item(catalogue.vectors), lucky, free.is_last, k)
        return Choice(slate, torch.zeros_like(slate, dtype=goal.dtype), goal)  # log π is read by policy gradients only

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """L_H, −Q_H(μ_H), L_L and −Q_L(μ_L)."""
        c0 = self.network.encoder(batch.state_t, self.catalogue.vectors)
        slate = self.network.encoder.item(self.catalogue.vectors[batch.slate])
        goal = self._goals(batch, slate)
        target = td_target(batch.reward_t, batch.done_t, self._next_value(batch), self.config.losses.gamma)
        value = self.network.high_critic(torch.cat([c0, goal], dim=1))[:, 0]
        wanted = torch.cat([c0.detach(), self.network.goal(c0.detach())], dim=1)
        return {
            "high_critic_loss": critic_loss(value, target),
            "high_actor_loss": -held(self.network.high_critic, wanted).mean(),
            **self._low_terms(batch, Replayed(c0, goal, slate, target - batch.reward_t)),
        }

    def learn(self, batch: Batch, rate: float, done_share: float = 0.0) -> dict[str, float]:
        """One step; the figures also say how near slates come to their goals, and what the low level was paid."""
        return {**super().learn(batch, rate, done_share), **self.paid}

    @torch.no_grad()
    def _goals(self, batch: Batch, slate: Float[Tensor, "b k d"]) -> Float[Tensor, "b d"]:
        """The goals that were noted; the mean item vector, cut to [−1, 1], of logged slates and of a share of the others."""
        mean = slate.mean(dim=1).clamp(-1, 1)
        if not batch.note.shape[1]:
            return mean
        is_relabelled = torch.rand(len(mean), generator=self.generator).to(mean.device) < self.config.mcchrl.relabel_share
        is_relabelled |= batch.note.isnan().any(dim=1)
        return torch.where(is_relabelled[:, None], mean, batch.note)

    @torch.no_grad()
    def _next_value(self, batch: Batch) -> Float[Tensor, " b"]:
        """Q̄_H(s', ḡ') with the goal that holds there."""
        c0 = self.target.encoder(batch.state_tp1, self.catalogue.vectors)
        goal = self.target.kept_goal(batch.state_tp1, c0, self.catalogue, batch.slate.shape[1])
        value: Tensor = self.target.high_critic(torch.cat([c0, goal], dim=1))[:, 0]
        return value

    def _low_terms(self, batch: Batch, shown: Replayed) -> dict[str, Tensor]:
        """The slate replayed as K steps: L_L = mean_k (Q_L − y_L)², and the actor's −mean_k Q_L(h_k, g, a_k)."""
        network, k = self.network, batch.slate.shape[1]
        history = batch.state_t.history[:, : int((batch.state_t.history > 0).sum(dim=1).max())]
        seen = torch.cat([network.encoder.item(self.catalogue.vectors[history]), shown.items], dim=1)
        is_seen = seen_before(history, k)
        hidden = network.low.hidden(shown.c0, shown.goal, shown.items)[:, :k]
        value = network.low_critic(hidden, shown.goal, shown.items, seen, is_seen)
        target = self._low_target(batch, shown, history)
        still, past = hidden.detach(), seen.detach()
        wanted = held(network.low_critic, still, shown.goal, network.low.proto(still, shown.goal), past, is_seen)
        return {"low_critic_loss": functional.mse_loss(value, target), "low_actor_loss": -wanted.mean()}

    @torch.no_grad()
    def _low_target(self, batch: Batch, shown: Replayed, history: Int[Tensor, "b h"]) -> Float[Tensor, "b k"]:
        """y_L = ρ_k + γ_L Q̄_L(h_{k+1}, g, i') with i' the nearest free item to what the target would want there."""
        own, network, k = self.config.mcchrl, self.target, batch.slate.shape[1]
        intrinsic = functional.cosine_similarity(shown.items, shown.goal[:, None], dim=2)
        self.paid = {
            "goal_cosine": float(functional.cosine_similarity(shown.items.mean(dim=1), shown.goal, dim=1).mean()),
            "extrinsic_pay": (1 - own.intrinsic_share) * float(batch.item_reward_t.mean()),
            "intrinsic_pay": own.intrinsic_share * float(intrinsic.mean()),
            "distinct_items": float(len(batch.slate.unique())),
        }
        target = (1 - own.intrinsic_share) * batch.item_reward_t + own.intrinsic_share * intrinsic
        if own.adds_future:  # in the units of items, of which a slate has K
            target[:, -1] += (1 - own.intrinsic_share) * k * shown.future
        if k == 1 or not own.item_gamma:
            return target
        items = network.encoder.item(self.catalogue.vectors)
        of_slate = items[batch.slate]
        c0 = network.encoder(batch.state_t, self.catalogue.vectors)
        hidden = network.low.hidden(c0, shown.goal, of_slate)[:, 1:k]
        free = free_items(batch.state_t, self.catalogue, self.config.decoding, k)
        chosen = items[nearest_free(network.low.proto(hidden, shown.goal), items, free.added, free.is_last, batch.slate)]
        seen = torch.cat([items[history], of_slate], dim=1)
        is_seen = seen_before(history, k)[:, 1:]
        target[:, :-1] += own.item_gamma * network.low_critic(hidden, shown.goal, chosen, seen, is_seen)
        return target


METHOD = Method("mcchrl", Mcchrl, Mcchrl.read, fixed={"network": {"critic_trains_encoder": True}, "search": {"n_rounds": 0}})

"""What DDPG, TD3, PG-RA and HAC share: a state gives a vector Z in the space of items, its slate is the nearest items, critics judge it."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.hyper_action import noisy, of_length, smaller
from hsrl_train.learner.methods.networked import NetworkLearner, PolicyNetwork, drawn, held, mlp, showable
from hsrl_train.learner.replay import Batch, Choice
from hsrl_train.learner.sections import NetworkConfig


class HyperNetwork(PolicyNetwork):
    """c = encoder(s), Z = MLP(c), score_i = ⟨Z, W x_i⟩ and critics Q_j(c, Z) (HAC eq. 2–5).

    Args:
        encoder: of states and items.
        config: of the network.
        n_critics: 1 or 2.
        holds_length: whether Z has length √d.
    """

    def __init__(self, encoder: StateEncoder, config: NetworkConfig, n_critics: int, *, holds_length: bool) -> None:
        super().__init__()
        width = config.width
        self.encoder = encoder
        self.holds_length = holds_length
        self.hyper_actor = mlp(width, (width,), width)
        self.critics = nn.ModuleList(mlp(2 * width, config.critic_hidden, 1) for _ in range(n_critics))

    def context(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b d"]:
        """c of b states."""
        c0: Tensor = self.encoder(state, catalogue.vectors)
        return c0

    def hyper_action(self, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Z of b states; of length √d where the length is held."""
        return of_length(self.hyper_actor(context), holds_length=self.holds_length)

    def items(self, catalogue: Catalogue) -> Float[Tensor, "n_plus_1 d"]:
        """e_i = W x_i of every item."""
        kernel: Tensor = self.encoder.item(catalogue.vectors)
        return kernel

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """⟨Z, e_i⟩ of every item."""
        return self.hyper_action(self.context(state, catalogue)) @ self.items(catalogue).T

    def values(self, context: Float[Tensor, "b d"], z: Float[Tensor, "b d"]) -> Float[Tensor, "b n_critics"]:
        """Q_j(c, Z) of each critic, in units of discounted reward."""
        joined = torch.cat([context, z], dim=1)
        return torch.cat([critic(joined) for critic in self.critics], dim=1)

    def promised(self, context: Float[Tensor, "b d"], z: Float[Tensor, "b d"], n_critics: int = 1) -> Float[Tensor, " b"]:
        """The smallest of the first critics' values, for an actor: the gradient reaches Z, neither state nor critics."""
        joined = torch.cat([context.detach(), z], dim=1)
        return smaller(torch.cat([held(critic, joined) for critic in self.critics[:n_critics]], dim=1))


class Draft(NamedTuple):
    """What an update computes once: c and Z of its states, and all e_i, with gradient."""

    context: Float[Tensor, "b d"]
    z: Float[Tensor, "b d"]
    items: Float[Tensor, "n_plus_1 d"]


class HyperActor(NetworkLearner):
    """The learner: TD on some action that a slate stands for, −Q of the actor's Z, and whatever terms a method adds.

    Exploration notes Z as it was with its noise.
    """

    network: HyperNetwork
    target: HyperNetwork
    critic_parts = ("critics",)
    actor_asks = 1  # critics of which the actor maximises the smallest
    is_delayed = False  # whether actor and targets wait for ``delay`` updates of the critics

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> HyperNetwork:
        """Encoder, hyper-actor and critics."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return HyperNetwork(encoder, config.network, cls.n_critics(config), holds_length=config.hyper_action.holds_length)

    @classmethod
    def n_critics(cls, config: LearnerConfig) -> int:
        """One, but for methods with twins."""
        return 1

    @abstractmethod
    def taken(self, batch: Batch, items: Float[Tensor, "n_plus_1 d"]) -> Float[Tensor, "b d"]:
        """The action that the critics judge for the shown slates."""

    @abstractmethod
    def next_action(self, batch: Batch, context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """What the target policy would do after them, at the target's context of that state."""

    def actor_terms(self, batch: Batch, draft: Draft, done_share: float) -> dict[str, Tensor]:
        """What else the actor and the items learn from."""
        return {}

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """The best slates of a noisy Z, or slates drawn by its scores; notes that Z."""
        settings, decoding = self.config.hyper_action, self.config.decoding
        z = noisy(self.network.hyper_action(self.network.context(state, self.catalogue)), settings.noise, generator)
        slate = self.slate_of(z, state, k)
        if settings.greedy_share < 1:
            scores = z @ self.network.items(self.catalogue).T / self.config.exploration.temperature
            sampled = drawn(scores, state, self.catalogue, decoding, k, generator)
            is_best = torch.rand(len(z), 1, generator=generator).to(z.device) < settings.greedy_share
            slate = torch.where(is_best, slate, sampled)
        return Choice(slate, z.new_zeros(slate.shape), z)

    def slate_of(self, z: Float[Tensor, "b d"], state: State, k: int, network: HyperNetwork | None = None) -> Int[Tensor, "b k"]:
        """The k items nearest to Z by inner product, over all items (exact)."""
        scores = z.detach() @ (network or self.network).items(self.catalogue).detach().T
        return showable(scores, state, self.catalogue, self.config.decoding, k)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """TD of every critic; and every ``delay`` updates the actor's terms."""
        network, settings = self.network, self.config.hyper_action
        items, context = network.items(self.catalogue), network.context(batch.state_t, self.catalogue)
        target = self.td_target(batch)
        read = context if self.config.network.critic_trains_encoder else context.detach()
        values = network.values(read, self.taken(batch, items).detach())
        terms = {"critic_loss": (values - target[:, None]).square().mean(dim=0).sum()}
        if not self.is_actors_turn(self.n_updates + 1):
            return terms
        z = network.hyper_action(context)
        promised = network.promised(context, z, self.actor_asks)
        return terms | {
            "actor_loss": -settings.q_weight * promised.mean(),
            **self.actor_terms(batch, Draft(context, z, items), done_share),
        }

    @torch.no_grad()
    def td_target(self, batch: Batch) -> Float[Tensor, " b"]:
        """r + γ (1 − done) min_j Q̄_j(s', a') (HAC eq. 7)."""
        context = self.target.context(batch.state_tp1, self.catalogue)
        value = smaller(self.target.values(context, self.next_action(batch, context)))
        return losses.td_target(batch.reward_t, batch.done_t, value, self.config.losses.gamma)

    def is_actors_turn(self, update: int) -> bool:
        """Whether actor and targets move with this update of the critics, the first of which is 1."""
        return not self.is_delayed or update % self.config.hyper_action.delay == 0

    def follow(self) -> None:
        """The targets wait as the actor does, and follow it in the same update."""
        if self.is_actors_turn(self.n_updates):
            super().follow()

"""SlateQ where a user answers each item of a slate for itself (IJCAI 2019, arXiv 1905.12767).

    Q(s, Z) = Σ_k p(i_k | s) Q̃(s, i_k)                                    SlateQ
    Q̃(s, i) → 1 + γ (1 − d) V̄(s')      where i was liked                  here, ``clicked_only``
    u(s, i) = p̂(i | s) (Q̃(s, i) + c) − c,   V(s) = mean of the K highest u(s, ·)

Its user takes one item of a slate at most; here answers are independent, so that p does not depend on the rest of the slate and the K
highest u are the best slate: no linear program is needed. p̂ is a head of its own, learned by the two-sided likelihood; Q̃ is
⟨MLP(c(0)), W x_i⟩ + b. [A] The mean in place of the sum, since a slate's reward is a mean here; c, what a refused item costs, which its paper
has not. A like that was expected but not given is no like: what came after it did not come of it. Without ``clicked_only``

    Q̃(s, i) → r + share · (ρ_i − r) + γ (1 − d) V̄(s')      whether liked or not,   u = Q̃

with ``losses.item_share``: 1 is ρ_i, which counts the present K times and the future once, as in ItemA2C (``losses.item_advantage``).
Nothing of the log reaches Q̃, as nobody knows where its sessions end; it teaches p̂.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, PolicyNetwork, mlp, showable
from hsrl_train.learner.methods.own_sessions import is_own, own_note, own_rows, require_own_sessions
from hsrl_train.learner.replay import Batch, Choice, Reads


class ItemValues(PolicyNetwork):
    """p̂ and Q̃ of items over one encoder.

    Args:
        encoder: of states and items.
        config: of the learner.
    """

    def __init__(self, encoder: StateEncoder, config: LearnerConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.likes_bias = nn.Parameter(torch.zeros(()))
        self.value_query = mlp(config.network.width, config.network.critic_hidden, config.network.width)
        self.value_items = nn.Linear(encoder.item.in_features, config.network.width)
        self.is_conditional = config.slateq.clicked_only
        # What a refused item costs: the policy's own knowledge, read off the rewards.
        self.cost: Float[Tensor, ""]
        self.register_buffer("cost", torch.zeros(()))

    def likes(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Log-odds that an item is liked."""
        logits: Tensor = c0 @ self.encoder.item(catalogue.vectors).T * c0.shape[1] ** -0.5 + self.likes_bias
        return logits

    def values(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Q̃ of every item, in units of discounted reward."""
        values: Tensor = self.value_query(c0) @ self.value_items(catalogue.vectors).T * c0.shape[1] ** -0.5
        return values

    def worth(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """u: what showing an item is worth."""
        values = self.values(c0, catalogue)
        if not self.is_conditional:
            return values
        return self.likes(c0, catalogue).sigmoid() * (values + self.cost) - self.cost

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """u of every item."""
        return self.worth(self.encoder(state, catalogue.vectors), catalogue)


class SlateQ(NetworkLearner):
    """The learner; it explores in proportion to exp(u / ``exploration.temperature``).

    Raises:
        TrainingError: its batches would hold logged slates alone.
    """

    network: ItemValues
    target: ItemValues
    critic_parts = ("value_query", "value_items")

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        require_own_sessions(config)
        super().__init__(catalogue, profile_width, max_history, config, seed)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> ItemValues:
        """Encoder and both heads."""
        return ItemValues(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network), config)

    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Items drawn by u, noted as its own."""
        choice = super().act(state, k, generator)
        return choice._replace(note=own_note(len(choice.slate)).to(choice.slate.device))

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Every answer, for p̂."""
        return Reads(asked_items=True, logged_rows=True)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """Q̃ on its own slates, p̂ on all answers."""
        items, answers = batch.supervision
        own = own_rows(batch)
        self._read_cost(own)
        c0 = self.network.encoder(batch.state_t, self.catalogue.vectors)
        likes = self.network.likes(c0, self.catalogue).gather(1, items)
        seen_by_critic = c0 if self.config.network.critic_trains_encoder else c0.detach()
        values = self.network.values(seen_by_critic[is_own(batch)], self.catalogue).gather(1, own.slate)
        future = self.config.losses.gamma * (~own.done_t) * self.next_value(own)
        if self.network.is_conditional:
            value_loss = liked_value_loss(values, own.feedback_t, future)
        else:
            reward = losses.shared_reward(own.reward_t, own.item_reward_t, self.config.losses.item_share)
            value_loss = functional.mse_loss(values, reward + future[:, None])
        return {"value_loss": value_loss, "likelihood_loss": losses.two_sided_loss(likes, answers)}

    @torch.no_grad()
    def next_value(self, batch: Batch) -> Float[Tensor, " b"]:
        """V̄(s'): the mean of the target's u over the best slate that may be shown there."""
        worth = self.target.scores(batch.state_tp1, self.catalogue)
        k = batch.slate.shape[1]
        best = showable(worth, batch.state_tp1, self.catalogue, self.config.decoding, k)
        return worth.gather(1, best).mean(dim=1)

    def _read_cost(self, batch: Batch) -> None:
        """The cost c, read off the rewards: y − ρ = c (1 − y)."""
        refused = 1 - batch.supervision.answers[:, : batch.slate.shape[1]]
        if refused.sum() > 0:
            cost = (1 - refused - batch.item_reward_t).sum() / refused.sum()
            self.network.cost.copy_(cost)
            self.target.cost.copy_(cost)


def liked_value_loss(
    values: Float[Tensor, "b k"], feedback: Float[Tensor, "b k"], future: Float[Tensor, " b"]
) -> Float[Tensor, ""]:
    """Mean of (Q̃ − (1 + γ (1 − d) V̄(s')))² over the liked items; 0 where nothing was liked.

    Args:
        values: Q̃ of the shown items.
        feedback: 1 where liked.
        future: γ (1 − d) V̄(s').
    """
    gap = values - (1 + future[:, None])
    return (feedback * gap.square()).sum() / feedback.sum().clamp_min(1)


METHOD = Method("slateq", SlateQ, SlateQ.read, fixed={"search": {"n_rounds": 0}})

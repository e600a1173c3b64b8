"""GFN4Rec (Liu et al., KDD '23): a slate is built item by item, with a probability in proportion to its reward.

A flow network over prefixes of slates: what flows into the empty prefix of a state, F_0, leaves at whole slates, each with its reward.
A prefix has one parent, so that detailed balance reads F_{k−1} P_k = F_k:

    L_DB = mean_k (log F_{k−1} + log(P_k + b_f) − log F_k + z)²,   L_end = (log F_K − log(r + b_r))²

P_k is a softmax over the items that no earlier place holds; state and prefix are joined as d + K · d numbers. As published: losses,
slots of the prefix, hidden width 128, b_f = .3; in its own loop rewards of several behaviours, a slate of 6 and sessions of 5.
[A] assumed: rewards of this protocol, which go down to −c, so that b_r ≥ .3; greedy slates when judged, as for every method. It looks at
the slate's own reward only: γ has no say.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import PADDING, Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import best_column
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import Free, NetworkLearner, PolicyNetwork, free_items
from hsrl_train.learner.replay import Batch, Choice
from hsrl_train.learner.sections import DecodingConfig
from pipeline.errors import TrainingError


class PrefixNetwork(nn.Module):
    """One hidden layer over [c; e_{i_1}; …; e_{i_K}], where places that are still empty are 0.

    Args:
        width: d of state and items.
        max_k: slots there are weights for.
        hidden: hidden width.
        n_out: outputs.
    """

    def __init__(self, width: int, max_k: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.of_state = nn.Linear(width, hidden)
        self.of_slot = nn.Parameter(torch.randn(max_k, width, hidden) * (width * max_k) ** -0.5)
        self.out = nn.Linear(hidden, n_out)

    def added(self, item: Float[Tensor, "b d"], place: int) -> Float[Tensor, "b hidden"]:
        """What an item at a place, from 0, adds to the hidden sum that begins with ``of_state``."""
        return item @ self.of_slot[place]

    def read(self, hidden: Float[Tensor, "*b hidden"]) -> Float[Tensor, "*b out"]:
        """The outputs of a hidden sum."""
        output: Tensor = self.out(hidden.relu())
        return output

    def forward(self, c0: Float[Tensor, "b d"], items: Float[Tensor, "b k d"]) -> Float[Tensor, "b k_plus_1 out"]:
        """Of the prefixes of length 0 … K of given slates.

        Raises:
            TrainingError: slates are longer than there are slots.
        """
        k = items.shape[1]
        if k > len(self.of_slot):
            raise TrainingError(
                f"training: slates of {k} items, expected at most {len(self.of_slot)}; raise max_k in [learner.gfn4rec]"
            )
        slots = torch.einsum("bkd,kdh->bkh", items, self.of_slot[:k]).cumsum(dim=1)
        before = functional.pad(slots, (0, 0, 1, 0))
        return self.read(self.of_state(c0)[:, None] + before)


class FlowNetwork(PolicyNetwork):
    """The shared encoder, the next item's logits and the flow through a prefix."""

    def __init__(self, encoder: StateEncoder, config: LearnerConfig) -> None:
        super().__init__()
        width, own = config.network.width, config.gfn4rec
        self.encoder = encoder
        self.next_item = PrefixNetwork(width, own.max_k, own.hidden, width)
        self.log_flow = PrefixNetwork(width, own.max_k, own.hidden, 1)

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Logits of the first place."""
        c0 = self.encoder(state, catalogue.vectors)
        logits: Tensor = self.next_item(c0, c0[:, None, :][:, :0])[:, 0] @ self.encoder.item(catalogue.vectors).T
        return logits

    def slates(
        self, state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int, generator: torch.Generator
    ) -> Int[Tensor, "b k"]:
        """The most probable item at every place, given those before it."""
        return self.built(state, catalogue, free_items(state, catalogue, decoding, k), k)

    def built(self, state: State, catalogue: Catalogue, free: Free, k: int) -> Int[Tensor, "b k"]:
        """Place by place the free item of highest logit + ``free.added``."""
        added = free.added
        c0, items = self.encoder(state, catalogue.vectors), self.encoder.item(catalogue.vectors)
        hidden, places = self.next_item.of_state(c0), []
        for place in range(k):
            item = best_column(self.next_item.read(hidden) @ items.T + added, free.is_last)
            added = added.scatter(1, item, -torch.inf)
            places.append(item)
            hidden = hidden + self.next_item.added(items[item[:, 0]], place)
        return torch.cat(places, dim=1)


class Gfn4rec(NetworkLearner):
    """The learner: detailed balance along the slates of the replay."""

    network: FlowNetwork
    critic_parts = ("log_flow",)
    has_target = False

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> FlowNetwork:
        """Encoder, forward policy and flow."""
        return FlowNetwork(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network), config)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Items as if drawn place by place from P to the power 1 / ``exploration.temperature``; an item has one luck for all places."""
        free = free_items(state, self.catalogue, self.config.decoding, k)
        minus_gumbel = torch.rand(free.added.shape, generator=generator).to(free.added.device).log_().neg_().log_()
        lucky = free._replace(added=free.added - self.config.exploration.temperature * minus_gumbel)
        slate = self.network.built(state, self.catalogue, lucky, k)
        return Choice(slate, free.added.new_zeros(len(slate), k))  # log π is read by policy gradients only

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """L_DB and L_end.

        Raises:
            TrainingError: a reward with its offset is not above 0.
        """
        own, network = self.config.gfn4rec, self.network
        if not (batch.reward_t + own.reward_offset > 0).all():
            raise TrainingError(
                f"training: a reward is {float(batch.reward_t.min()):.2f}, expected more than −{own.reward_offset}, the negative of "
                "reward_offset in [learner.gfn4rec]; raise that"
            )
        c0 = network.encoder(batch.state_t, self.catalogue.vectors)
        items = network.encoder.item(self.catalogue.vectors)
        slate = items[batch.slate]
        log_p = self._log_probabilities(network.next_item(c0, slate)[:, :-1] @ items.T, batch.slate)
        log_flow = network.log_flow(c0, slate)[..., 0]
        balance = log_flow[:, :-1] + (log_p.exp() + own.forward_offset).log() - log_flow[:, 1:] + own.normaliser
        end = log_flow[:, -1] - (batch.reward_t + own.reward_offset).log()
        return {"balance_loss": balance.square().mean(), "end_loss": end.square().mean()}

    def _log_probabilities(self, logits: Float[Tensor, "b k n_plus_1"], slate: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        """log P_k of the items shown: a softmax over active items that no earlier place holds."""
        k = slate.shape[1]
        earlier = torch.ones(k, k, dtype=torch.bool, device=slate.device).tril(-1)
        # A slate of the log may hold an item twice, where a vanished one was replaced: what is shown is never taken away.
        is_taken = earlier & (slate[:, None] != slate[..., None])
        taken = torch.where(is_taken, slate[:, None], PADDING)
        free = logits.masked_fill(~self.catalogue.is_active, -torch.inf).scatter(2, taken, -torch.inf)
        return free.gather(2, slate[..., None])[..., 0] - free.logsumexp(dim=2)


METHOD = Method("gfn4rec", Gfn4rec, Gfn4rec.read, fixed={"search": {"n_rounds": 0}})

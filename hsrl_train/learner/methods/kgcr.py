"""Our adaptation of KGCR (known from its abstract only): a director chooses what to ask about, a worker which items ask it.

There is no dialogue here, so that a question is a part of the slate: items of attribute a ask about a, and likes answer. The graph is
items – attributes (Semantic IDs' codes of level 1; items without one share an attribute), e_i' = e_i + emb(A(i)).

    b_a = Σ_j ρ^{age j} [a = A(i_j)] over the likes;    optionally less a weight for each item of a that was shown in vain
    π_D(a | c, b) = softmax ⟨MLP[c; b], emb(a)⟩;        M of them without replacement, each with ⌈K / M⌉ places
    π_W(i | a, c) = softmax over free items of a of (⟨W [c; emb(a)], e_i'⟩ + κ b_a) / temperature
    δ = clip(r + γ (1 − d) V̄(c', b') − V(c, b)),    L_D = −δ log π_D,    L_W = −(1/K) Σ_k (ρ_k − r + δ) log π_W(i_k | a_k)

with L_V, entropies of both levels, and an online update of the worker's scores by a two-sided likelihood of the answers. Replayed slates
count in L_D and L_W by min(π / π_then, 2), since those losses have no lower bound otherwise. Slates of the log, chosen nobody knows how in
sessions whose end nobody knows, teach the likelihood alone. Everything but the idea is [A] assumed. An attribute with fewer free items than
its places is filled with others in the worker's order.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.asked_attributes import WorkerOdds, attributes_of, belief, director_log_prob, quotas, worker_odds
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import Free, NetworkLearner, PolicyNetwork, free_items, mlp
from hsrl_train.learner.methods.own_sessions import is_own, own_rows, require_own_sessions
from hsrl_train.learner.replay import Batch, Choice, Reads
from hsrl_train.learner.sections import DecodingConfig


class Drawn(NamedTuple):
    """Slates, and the attribute that each place asks about."""

    slate: Int[Tensor, "b k"]
    attributes: Int[Tensor, "b k"]


class KgcrNetwork(PolicyNetwork):
    """Director, worker and value over the shared encoder and the belief.

    Args:
        encoder: of states.
        n_attributes: V_1 + 1.
        config: widths, and what the belief is made of.
    """

    def __init__(self, encoder: StateEncoder, n_attributes: int, config: LearnerConfig) -> None:
        super().__init__()
        width = config.network.width
        self.encoder, self.config, self.n_attributes = encoder, config.kgcr, n_attributes
        self.attribute = nn.Parameter(torch.randn(n_attributes, width) * width**-0.5)
        self.director = mlp(width + n_attributes, (128,), width)
        self.of_state = nn.Linear(width, width)
        self.of_attribute = nn.Linear(width, width, bias=False)
        self.kappa = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(()))
        self.value = mlp(width + n_attributes, config.network.critic_hidden, 1)

    def believed(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b a"]:
        """The belief of each user."""
        own = self.config
        return belief(state, attributes_of(catalogue), self.n_attributes, own.belief_decay, own.refusal_weight)

    def director_logits(
        self, c0: Float[Tensor, "b d"], believed: Float[Tensor, "b a"], catalogue: Catalogue
    ) -> Float[Tensor, "b a"]:
        """Of each attribute; −∞ where no active item has it."""
        logits: Tensor = self.director(torch.cat([c0, believed], dim=1)) @ self.attribute.T
        has_items = torch.zeros(self.n_attributes, dtype=torch.bool, device=logits.device)
        has_items[attributes_of(catalogue)[catalogue.is_active]] = True
        return logits.masked_fill(~has_items, -torch.inf)

    def item_scores(
        self, c0: Float[Tensor, "b d"], believed: Float[Tensor, "b a"], catalogue: Catalogue
    ) -> Float[Tensor, "b n_plus_1"]:
        """⟨W [c; emb(a)], e_i'⟩ + κ b_a with each item's own attribute: a sum of the state's part and the item's."""
        attributes = attributes_of(catalogue)
        own = self.attribute[attributes]
        items = self.encoder.item(catalogue.vectors) + own
        scores: Tensor = self.of_state(c0) @ items.T + (self.of_attribute(own) * items).sum(dim=1)
        return scores * c0.shape[1] ** -0.5 + self.kappa * believed[:, attributes]

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """The worker's score + bias: log-odds of a like, by the online update."""
        c0 = self.encoder(state, catalogue.vectors)
        return self.item_scores(c0, self.believed(state, catalogue), catalogue) + self.bias

    def slates(
        self, state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int, generator: torch.Generator
    ) -> Int[Tensor, "b k"]:
        """The best items of the best M attributes."""
        c0, believed = self.encoder(state, catalogue.vectors), self.believed(state, catalogue)
        free = free_items(state, catalogue, decoding, k)
        free = free._replace(added=free.added + self.item_scores(c0, believed, catalogue))
        return self.filled(self.director_logits(c0, believed, catalogue), free, catalogue, k).slate

    def filled(self, logits: Float[Tensor, "b a"], free: Free, catalogue: Catalogue, k: int) -> Drawn:
        """Slates of the M attributes of highest logit, each with ⌈K / M⌉ places until the slate is full, the best items first.

        Args:
            logits: of the attributes.
            free: ``added`` are the items' scores, −∞ where one may not be shown; what comes last does so whatever its attribute.
            catalogue: items.
            k: length of a slate.
        """
        attributes, n = attributes_of(catalogue), free.added.shape[1]
        # Places in the order of the scores, so that a step of n is more than any difference.
        order = free.added.argsort(dim=1, stable=True).argsort(dim=1).double()
        scores = (order - 2 * n * free.is_last).masked_fill(free.added == -torch.inf, -torch.inf)
        n_asked = min(self.config.n_attributes, int((logits[0] > -torch.inf).sum()), k)
        asked = logits.topk(n_asked, dim=1).indices
        slate, of = [], []
        for place, quota in enumerate(quotas(k, n_asked)):
            attribute = asked[:, place : place + 1]
            is_other = attributes != attribute
            items = (scores - n * is_other).topk(quota, dim=1).indices
            scores = scores.scatter(1, items, -torch.inf)
            slate.append(items)
            of.append(attribute.expand(-1, quota))
        return Drawn(torch.cat(slate, dim=1), torch.cat(of, dim=1))


class Kgcr(NetworkLearner):
    """The learner: advantages for director and worker, and the online update of the worker.

    Raises:
        TrainingError: its batches would hold logged slates alone.
    """

    network: KgcrNetwork
    target: KgcrNetwork
    critic_parts = ("value",)

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        require_own_sessions(config)
        super().__init__(catalogue, profile_width, max_history, config, seed)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> KgcrNetwork:
        """Encoder, director, worker, value."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return KgcrNetwork(encoder, catalogue.vocabulary[0] + 1, config)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Attributes, then items of each, drawn without replacement at ``exploration.temperature``; the attributes are noted."""
        network, catalogue, temperature = self.network, self.catalogue, self.config.exploration.temperature
        c0, believed = network.encoder(state, catalogue.vectors), network.believed(state, catalogue)
        logits = network.director_logits(c0, believed, catalogue)
        scores = network.item_scores(c0, believed, catalogue) / self.config.kgcr.worker_temperature
        free = free_items(state, catalogue, self.config.decoding, k)
        luck = [torch.rand(each.shape, generator=generator).to(each.device).log_().neg_().log_() for each in (logits, scores)]
        lucky = free._replace(added=free.added + scores - temperature * luck[1])
        drawn = network.filled(logits - temperature * luck[0], lucky, catalogue, k)
        return Choice(drawn.slate, self._log_probs(logits, scores, drawn)[2], drawn.attributes.float())

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """The online update alone reads more than its own slates."""
        is_supervised = config.losses.likelihood_weight > 0
        return Reads(asked_items=is_supervised, logged_rows=is_supervised)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """L_V, L_D, L_W and the entropies on the learner's own slates, the online update on all."""
        network, catalogue, config = self.network, self.catalogue, self.config.losses
        rows, own = is_own(batch), own_rows(batch)
        c0, believed = network.encoder(batch.state_t, catalogue.vectors), network.believed(batch.state_t, catalogue)
        scores = network.item_scores(c0, believed, catalogue)
        logits = network.director_logits(c0, believed, catalogue)
        by_temperature = scores[rows] / self.config.kgcr.worker_temperature
        director, worker, joint = self._log_probs(logits[rows], by_temperature, Drawn(own.slate, own.note.long()))
        known = c0 if self.config.network.critic_trains_encoder else c0.detach()
        value = network.value(torch.cat([known, believed], dim=1)[rows])[:, 0]
        target = losses.td_target(own.reward_t, own.done_t, self._next_value(own), config.gamma)
        delta = losses.slate_advantage(target, value, config.advantage_clip)
        credit = (own.item_reward_t - own.reward_t[:, None] + delta[:, None]).detach()
        weight = losses.importance_weight(joint, own.log_prob, config.importance_clip)
        odds = logits[rows].log_softmax(dim=1)
        director_entropy = -(odds.exp() * odds.clamp_min(-1e3)).sum(dim=1).mean()
        liked = scores.gather(1, batch.supervision.items) + network.bias
        return {
            "critic_loss": losses.critic_loss(value, target),
            "director_loss": -(weight * delta[:, None] * director).sum(dim=1).mean(),
            "worker_loss": -(weight * credit * worker.log_prob).mean(),
            "entropy_loss": -config.entropy_weight * (director_entropy + worker.entropy.mean()),
            "likelihood_loss": config.likelihood_weight * losses.two_sided_loss(liked, batch.supervision.answers),
        }

    def _log_probs(
        self, logits: Float[Tensor, "b a"], scores: Float[Tensor, "b n_plus_1"], drawn: Drawn
    ) -> tuple[Float[Tensor, "b k"], WorkerOdds, Float[Tensor, "b k"]]:
        """log π_D and π_W at every place, and their sum."""
        director = director_log_prob(logits, drawn.attributes)
        attributes = attributes_of(self.catalogue)
        scores = scores.masked_fill(~self.catalogue.is_active, -torch.inf)
        worker = worker_odds(scores, drawn.slate, drawn.attributes, attributes, self.network.n_attributes)
        return director, worker, director + worker.log_prob

    @torch.no_grad()
    def _next_value(self, batch: Batch) -> Float[Tensor, " b"]:
        """V̄(c', b')."""
        c0 = self.target.encoder(batch.state_tp1, self.catalogue.vectors)
        believed = self.target.believed(batch.state_tp1, self.catalogue)
        value: Tensor = self.target.value(torch.cat([c0, believed], dim=1))[:, 0]
        return value


METHOD = Method("kgcr", Kgcr, Kgcr.read, fixed={"losses": {"importance_clip": losses.MOST_WEIGHT}, "search": {"n_rounds": 0}})

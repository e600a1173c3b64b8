"""Our adaptation of HG, hierarchically guided DAgger/Q (ICML 2018, arXiv 1803.00590), to slates.

    μ(g | s) = softmax(W c(0))                                    high level, imitates the expert's goals
    Q(s, g, i) = ⟨MLP[c(0); emb(g)], W x_i⟩ / √d                  low level, shared by all goals
    y_k = ρ_k + bonus + γ (1 − d) mean of the K best Q̄(s', g, ·), chosen by Q; Huber
    M(s, g) → discounted return that followed goal g; Huber       the expert ``return``: g* = argmax_g M(s, g)

As in the original: an expert labels goals alone, the low level learns from a pseudo-reward, and only from segments before the first in which
μ and the expert differ (``Guidance``); a session that succeeds as a whole is not labelled. Specified nowhere for this protocol, so all
else is [A]: a goal is a code of the first level of the Semantic IDs, held for ``hg.max_slates`` slates or until one fails; a slate is the K best
items of the goal's code, then of the next most probable one's; the bonus at a segment's end is ±1/K an item; the expert
speaks where a segment begins; every update imitates those labels that lie in its batch. Sessions are not cut at wrong goals, since users
cannot be rewound. A stored policy has no session to hold a goal for and chooses one for every slate.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.checkpoint import nested, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.guidance import NO_LABEL, Guidance, Taken
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, NetworkPolicy, PolicyNetwork, mlp, showable
from hsrl_train.learner.methods.own_sessions import is_own, require_own_sessions
from hsrl_train.learner.replay import Batch, Choice, Reads, Transitions
from hsrl_train.learner.sid_trie import with_sids

# What the scores of the first code's items and the last one's are apart; values are cut to a third of a code's step.
_CODES_APART = 5e3


class GoalNetwork(PolicyNetwork):
    """μ, Q and M over one encoder.

    Args:
        encoder: of states and items.
        width: d.
        n_goals: G, codes of the first level.
    """

    def __init__(self, encoder: StateEncoder, width: int, n_goals: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.controller = nn.Linear(width, n_goals)
        self.goals = nn.Embedding(n_goals, width)
        self.query = mlp(2 * width, (64, 64), width)
        self.expert = mlp(width, (64,), n_goals)

    def state(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b d"]:
        """c(0)."""
        c0: Tensor = self.encoder(state, catalogue.vectors)
        return c0

    def values(self, c0: Float[Tensor, "b d"], goal: Int[Tensor, " b"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Q(s, g, ·) of every item, in units of discounted pseudo-reward."""
        query = self.query(torch.cat([c0, self.goals(goal)], dim=1))
        values: Tensor = query @ self.encoder.item(catalogue.vectors).T * c0.shape[1] ** -0.5
        return values

    def ranked(
        self, values: Float[Tensor, "b n_plus_1"], c0: Float[Tensor, "b d"], goal: Int[Tensor, " b"], catalogue: Catalogue
    ) -> Float[Tensor, "b n_plus_1"]:
        """Scores that put the goal's items first, then those of the next most probable code, each by their values."""
        codes = self.controller(c0).scatter(1, goal[:, None], torch.inf)
        rank = codes.argsort(dim=1, descending=True).argsort(dim=1)
        step = _CODES_APART / codes.shape[1]
        return values.clamp(-step / 3, step / 3) - step * rank[:, catalogue.tokens[:, 0].clamp_min(0)]

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """By the most probable goal."""
        c0 = self.state(state, catalogue)
        goal = self.allowed(self.controller(c0), catalogue).argmax(dim=1)
        return self.ranked(self.values(c0, goal, catalogue), c0, goal, catalogue)

    def allowed(self, of_codes: Float[Tensor, "b g"], catalogue: Catalogue) -> Float[Tensor, "b g"]:
        """−∞ for codes that no active item has."""
        has_items = torch.zeros(of_codes.shape[1], dtype=torch.bool, device=of_codes.device)
        has_items[catalogue.tokens[catalogue.is_active, 0].long()] = True
        return of_codes.masked_fill(~has_items, -torch.inf)


class Hg(NetworkLearner):
    """The learner; it follows whole sessions.

    Raises:
        TrainingError: no active item has a SID, or its batches would hold logged slates alone.
    """

    network: GoalNetwork
    target: GoalNetwork
    critic_parts = ("goals", "query", "expert")

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        require_own_sessions(config)
        super().__init__(with_sids(catalogue), profile_width, max_history, config, seed)
        b, n_goals = config.exploration.n_sessions, catalogue.vocabulary[0]
        self.guidance = Guidance(config.schedule.replay_capacity, config.hg.success_share, config.losses.gamma)
        self.n_steps = 0
        self.n_tries = torch.zeros(n_goals)
        # Of the running segments: goal, slates shown, rewards so far, and what the expert said where they began.
        self.goal, self.label = torch.zeros(b, dtype=torch.int64), torch.full((b,), NO_LABEL)
        self.n_shown, self.rewarded = torch.zeros(b, dtype=torch.int64), torch.zeros(b)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> GoalNetwork:
        """Encoder, controller, values and expert."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return GoalNetwork(encoder, config.network.width, catalogue.vocabulary[0])

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> NetworkPolicy:
        """The policy over the items of this catalogue that have a SID."""
        return super().read(tensors, config, with_sids(catalogue))

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Goals where a segment begins, then the best items of the goal; both at times any. Notes goal and serial number."""
        b = len(state.history)
        c0 = self.network.state(state, self.catalogue)
        begins = self.n_shown == 0
        best = self.network.allowed(self.network.controller(c0), self.catalogue)
        anything = self.network.allowed(torch.rand(best.shape, generator=generator).to(best.device), self.catalogue)
        explores = torch.rand(b, generator=generator) < self._epsilon(self.config.hg.last_goal_epsilon)
        chosen = torch.where(explores.to(best.device)[:, None], anything, best).argmax(dim=1).cpu()
        self.goal = torch.where(begins, chosen, self.goal)
        self.label = torch.where(begins, self.expert_says(c0), self.label)
        self.n_tries.index_add_(0, self.goal[begins], torch.ones(int(begins.sum())))
        goal = self.goal.to(c0.device)
        values = self.network.values(c0, goal, self.catalogue)
        noise = torch.rand(values.shape, generator=generator).to(values.device)
        is_random = torch.rand(b, generator=generator) < self._epsilon(self.config.hg.last_item_epsilon)
        values = torch.where(is_random.to(values.device)[:, None], noise, values)
        scores = self.network.ranked(values, c0, goal, self.catalogue)
        slate = showable(scores, state, self.catalogue, self.config.decoding, k)
        # Serial numbers stand in single precision, exact up to 2^24 steps; later ones only need their place in the tables.
        place = (self.n_steps + torch.arange(b)) % self.config.schedule.replay_capacity
        note = torch.stack([self.goal.float(), place.float()], dim=1).to(slate.device)
        return Choice(slate, torch.zeros(slate.shape, device=slate.device), note)

    def expert_says(self, c0: Float[Tensor, "b d"]) -> Int[Tensor, " b"]:
        """argmax_g M(s, g) over the codes that were tried often enough; no label where there are none, or the expert looks at clicks."""
        is_known = self.n_tries >= self.config.hg.least_tries
        if self.config.hg.expert == "clicks" or not is_known.any():
            return torch.full((len(c0),), NO_LABEL)
        worth = self.network.allowed(self.network.expert(c0), self.catalogue).cpu()
        return worth.masked_fill(~is_known, -torch.inf).argmax(dim=1)

    def watch(self, steps: Transitions) -> None:
        """Follow the sessions: segments end, and with a session its gate is walked."""
        config, k = self.config.hg, steps.slate.shape[1]
        reward, is_done = steps.reward.cpu(), steps.is_done.cpu()
        begins = self.n_shown == 0
        label = self.label
        if config.expert == "clicks":
            label = most_liked_code(steps.slate, steps.feedback, self.catalogue).cpu()
        self.n_shown, self.rewarded = self.n_shown + 1, self.rewarded + reward
        ends = (self.n_shown >= config.max_slates) | (reward < config.fail_below) | is_done
        bonus = torch.where(self.rewarded / self.n_shown >= config.fail_below, 1.0, -1.0) / k * ends
        rows = zip(self.goal.tolist(), label.tolist(), begins.tolist(), reward.tolist(), bonus.tolist(), strict=True)
        for row, (goal, said, is_start, earned, added) in enumerate(rows):
            self.guidance.take(row, Taken(self.n_steps + row, goal, said if is_start else NO_LABEL, is_start, earned), added)
        self.n_steps += len(reward)
        for row in is_done.nonzero()[:, 0].tolist():
            self.guidance.close(row)
        self.n_shown, self.rewarded = self.n_shown.masked_fill(ends, 0), self.rewarded.masked_fill(ends, 0.0)

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """The log's slates for the first labels."""
        return Reads(asked_items=False, logged_rows=config.hg.warm_share > 0)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """Imitation of labels, item values of what the gate let through, and the expert's regression."""
        own = is_own(batch)
        goal, place = batch.note.nan_to_num(0.0).long().unbind(dim=1)
        here, guide = place.cpu(), self.guidance
        label = torch.where(own, guide.label[here].to(own.device), NO_LABEL)
        if done_share <= self.config.hg.warm_share:
            label = torch.where(own, label, most_liked_code(batch.slate, batch.feedback_t, self.catalogue))
        c0 = self.network.state(batch.state_t, self.catalogue)
        is_kept = guide.is_kept[here].to(own.device) & own
        followed = guide.return_to_go[here].to(own.device)
        has_return = own & ~followed.isnan()
        imitation = functional.cross_entropy(self.network.controller(c0), label, ignore_index=NO_LABEL, reduction="sum")
        expected = self.network.expert(c0).gather(1, goal[:, None])[:, 0]
        missed = functional.huber_loss(expected, followed.nan_to_num(0.0), reduction="none")
        values = self.network.values(c0, goal, self.catalogue).gather(1, batch.slate)
        off = functional.huber_loss(values, self._target(batch, goal, guide.bonus[here].to(own.device)), reduction="none")
        return {
            "label_loss": self.config.hg.label_weight * imitation / (label != NO_LABEL).sum().clamp_min(1),
            "value_loss": (off.mean(dim=1) * is_kept).sum() / is_kept.sum().clamp_min(1),
            "expert_loss": (missed * has_return).sum() / has_return.sum().clamp_min(1),
        }

    @torch.no_grad()
    def _target(self, batch: Batch, goal: Int[Tensor, " b"], bonus: Float[Tensor, " b"]) -> Float[Tensor, "b k"]:
        """Double Q: the K best items of the goal by the network, valued by the target."""
        c0 = self.network.state(batch.state_tp1, self.catalogue)
        scores = self.network.ranked(self.network.values(c0, goal, self.catalogue), c0, goal, self.catalogue)
        best = showable(scores, batch.state_tp1, self.catalogue, self.config.decoding, batch.slate.shape[1])
        then = self.target.values(self.target.state(batch.state_tp1, self.catalogue), goal, self.catalogue)
        future = self.config.losses.gamma * (~batch.done_t) * then.gather(1, best).mean(dim=1)
        return batch.item_reward_t + (bonus + future)[:, None]

    def _epsilon(self, last: float) -> float:
        """From 1 linearly to ``last``, then that."""
        done = self.n_updates / (self.config.hg.fall_share * self.config.schedule.n_iterations)
        return 1 - min(1.0, done) * (1 - last)

    def to_tensors(self) -> dict[str, Tensor]:
        """With the sessions that run and what the gate knows."""
        running = {name: getattr(self, name).clone() for name in _RUNNING}
        own = nested("guidance", self.guidance.to_tensors()) | nested("running", running)
        return super().to_tensors() | own | {"n_steps": torch.tensor(self.n_steps)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave.

        Raises:
            TrainingError: it is another network's.
        """
        super().load_tensors(tensors)
        self.guidance.load_tensors(part("guidance", tensors))
        for name in _RUNNING:
            setattr(self, name, tensors[f"running/{name}"].clone())
        self.n_steps = int(tensors["n_steps"])


_RUNNING = ("goal", "label", "n_shown", "rewarded", "n_tries")


def most_liked_code(slate: Int[Tensor, "b k"], feedback: Float[Tensor, "b k"], catalogue: Catalogue) -> Int[Tensor, " b"]:
    """The first-level code with most likes in each slate, the lower where they are equal; ``NO_LABEL`` where nothing was liked."""
    likes = torch.zeros(len(slate), catalogue.vocabulary[0], device=slate.device)
    likes.scatter_add_(1, catalogue.tokens[slate, 0].clamp_min(0).long(), feedback)
    most = likes.max(dim=1)
    return torch.where(most.values > 0, most.indices, NO_LABEL)


METHOD = Method("hg", Hg, Hg.read, fixed={"search": {"n_rounds": 0}})

"""Our adaptation of CHIRP: options between boxes of an abstraction tree, planned over; slates are the top K of the option's values.

The tree halves boxes over readable variables where TD errors of the boxes' values are most dispersed (``abstraction.py``); an option
leads from a box to another, or stays and harvests (``options.py``). A network values items under every option by
Q_o(s, i) = ⟨MLP[c; emb(o)], e_i⟩:

    y_k = ρ_k + γ (1 − d) [(1 − β) mean of top-K Q̄_o(s') + β V(b')] + κ where the goal is entered,    β = 1 where the option ends

and V is that of value iteration over what options were seen to bring. As in the original (its code was read): conditional abstraction,
the rule which leaves are split, options from frequent changes between distant leaves, planning, a library that is carried on.
[A] assumed: the variables, the shared network in place of tables, reward in the plan (the original's goes for the nearest way to a goal,
``planner = "distance"``), harvesting, at most five slates, and that a policy, which remembers no session, plans anew at every slate.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.abstraction import N_VARIABLES, Errors, Tree, groups_of_codes, refine, variables_of
from hsrl_train.learner.checkpoint import nested, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, Part, PolicyNetwork, mlp, showable
from hsrl_train.learner.options import Library, OptionModel
from hsrl_train.learner.replay import Batch, Choice, Transitions
from hsrl_train.simulator.environment import answered

# Errors of values that are kept for the next refinement.
N_ERRORS = 4_000


class ChirpNetwork(PolicyNetwork):
    """Values of items under options, with the tree, the library and the plan as buffers, so that a policy is all of them.

    Args:
        encoder: of states.
        group: of each code of level 1; −1 behind them, for items without a code.
        config: sizes.
    """

    group: Tensor
    choice: Tensor
    node_value: Tensor

    def __init__(self, encoder: StateEncoder, group: Int[Tensor, " codes_plus_1"], config: LearnerConfig) -> None:
        super().__init__()
        width = config.network.width
        self.encoder = encoder
        self.tree, self.library = Tree(config.chirp.max_leaves), Library(config.chirp.max_options)
        self.option = nn.Embedding(config.chirp.max_options, width)
        self.wanted = mlp(2 * width, (64, 64), width)
        self.register_buffer("group", group)
        n_nodes = len(self.tree.variable)
        self.register_buffer("choice", torch.zeros(n_nodes, dtype=torch.int64))  # the best option of each leaf
        self.register_buffer("node_value", torch.zeros(n_nodes))

    def leaf(self, state: State, catalogue: Catalogue) -> Int[Tensor, " b"]:
        """Where in the tree each state lies."""
        return self.tree.leaf_of(self.variables(state, catalogue))

    def variables(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b x"]:
        """What the tree sees of each state."""
        return variables_of(state, self.group[catalogue.tokens[:, 0].long()], self.encoder.position.num_embeddings - 1)

    def wants(self, c0: Float[Tensor, "b d"], option: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """MLP[c; emb(o)]."""
        vector: Tensor = self.wanted(torch.cat([c0, self.option(option)], dim=1))
        return vector

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Q_o(s, i) of every item, o the plan's option."""
        option = self.choice[self.leaf(state, catalogue)]
        values: Tensor = self.wants(self.encoder(state, catalogue.vectors), option) @ self.encoder.item(catalogue.vectors).T
        return values


class Running(NamedTuple):
    """The option of every running session: its number (−1 = none yet), the leaf where it began, its slates and discounted reward."""

    option: Int[Tensor, " b"]
    began: Int[Tensor, " b"]
    age: Int[Tensor, " b"]
    reward: Float[Tensor, " b"]


class Chirp(NetworkLearner):
    """The learner: Q-learning within options, a model of options, and a tree that grows."""

    network: ChirpNetwork
    target: ChirpNetwork

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        super().__init__(catalogue, profile_width, max_history, config, seed)
        n_nodes, n_options = len(self.network.choice), config.chirp.max_options
        b, device = config.exploration.n_sessions, catalogue.device
        self.model = OptionModel(n_nodes, n_options, device)
        none = torch.zeros(b, dtype=torch.int64, device=device)
        self.running = Running(none - 1, none, none, torch.zeros(b, device=device))
        self.begins = torch.zeros_like(self.network.choice)  # the option that sessions begin with in each leaf
        self.errors = torch.zeros(N_ERRORS, N_VARIABLES + 2, device=device)
        self.counts = torch.zeros(2, dtype=torch.int64)  # slates shown, errors kept

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> ChirpNetwork:
        """Encoder, option values, one leaf and one option."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return ChirpNetwork(encoder, groups_of_codes(catalogue), config)

    def parts(self) -> Sequence[Part]:
        """All of it is a value, at the critic's rate."""
        return [(list(self.network.parameters()), self.config.schedule.critic_lr)]

    @property
    def epsilon(self) -> float:
        """Share of random options and slates now."""
        own = self.config.chirp
        return max(own.epsilon_end, 1 - (1 - own.epsilon_end) * float(self.counts[0]) / own.epsilon_steps)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Sessions without an option get one; slates are its top K, or anything. Option and its slates so far are noted."""
        network, catalogue = self.network, self.catalogue
        leaf = network.leaf(state, catalogue)
        b, device = len(leaf), leaf.device
        may_begin = network.library.available(network.tree.below(), leaf)
        anyone = torch.rand(may_begin.shape, generator=generator).to(device).masked_fill(~may_begin, -1.0).argmax(dim=1)
        luck = torch.rand(2, b, generator=generator).to(device) < self.epsilon
        fresh = torch.where(luck[0], anyone, self.begins[leaf])
        is_new = self.running.option < 0
        option, age = torch.where(is_new, fresh, self.running.option), torch.where(is_new, 0, self.running.age)
        self.running = Running(
            option, torch.where(is_new, leaf, self.running.began), age, self.running.reward.masked_fill(is_new, 0.0)
        )
        values = network.wants(network.encoder(state, catalogue.vectors), option) @ network.encoder.item(catalogue.vectors).T
        values = torch.where(luck[1][:, None], torch.rand(values.shape, generator=generator).to(device), values)
        slate = showable(values, state, catalogue, self.config.decoding, k)
        return Choice(slate, values.new_zeros(b, k), torch.stack([option, age], dim=1).float())

    @torch.no_grad()
    def watch(self, steps: Transitions) -> None:
        """Follow the options of all sessions; from time to time plan, and let the tree and the library grow."""
        own, network, gamma = self.config.chirp, self.network, self.config.losses.gamma
        before = State(steps.reward.new_zeros(len(steps.user), 0), steps.history, steps.recent)
        variables = network.variables(before, self.catalogue)
        leaf = network.tree.leaf_of(variables)
        after = network.leaf(answered(before, steps.slate, steps.feedback), self.catalogue)
        running = self.running
        running = running._replace(reward=running.reward + gamma**running.age * steps.reward, age=running.age + 1)
        is_over, is_reached = self._ends(running.option, running.age, after)
        is_over |= steps.is_done
        self.model.shown(leaf, steps.reward)
        later = gamma * (~steps.is_done) * network.node_value[after]
        self._keep(variables, running.option, steps.reward + later - network.node_value[leaf])
        is_change = (leaf != after) & ~steps.is_done
        self.model.changes.index_put_(
            (leaf[is_change], after[is_change]), torch.ones_like(steps.reward[is_change]), accumulate=True
        )
        for row in is_over.nonzero()[:, 0].tolist():
            arrived = None if steps.is_done[row] else int(after[row])
            option = int(running.option[row])
            self.model.ended(int(running.began[row]), option, float(running.reward[row]), int(running.age[row]), arrived, gamma)
            self.model.tries[option] += 1
            self.model.n_reached[option] += is_reached[row]
        self.running = running._replace(option=running.option.masked_fill(is_over, -1))
        shown_before, self.counts[0] = int(self.counts[0]), self.counts[0] + len(leaf)
        shown = int(self.counts[0])
        if shown >= own.refine_after and shown // own.refine_every > shown_before // own.refine_every:
            self._grow()
        if shown // own.plan_every > shown_before // own.plan_every:
            self._plan()

    def _keep(self, variables: Float[Tensor, "b x"], option: Int[Tensor, " b"], error: Float[Tensor, " b"]) -> None:
        """Errors of the values of leaves, not of the network's: those see the whole state, and hide where a box is too coarse."""
        rows = (int(self.counts[1]) + torch.arange(len(error), device=error.device)) % N_ERRORS
        self.errors[rows] = torch.cat([variables, option[:, None].float(), error[:, None]], dim=1)
        self.counts[1] += len(error)

    def _ends(
        self, option: Int[Tensor, " b"], age: Int[Tensor, " b"], leaf: Int[Tensor, " b"]
    ) -> tuple[Bool[Tensor, " b"], Bool[Tensor, " b"]]:
        """Whether options of ``age`` slates end in these leaves, and whether in their goals."""
        below, library = self.network.tree.below(), self.network.library
        is_reached = library.reached(option, leaf, below)
        return is_reached | library.left(option, leaf, below) | (age >= self.config.chirp.max_slates), is_reached

    def _plan(self) -> None:
        """Value iteration; what comes out is the policy's, but for leaves where nothing was tried, as after a warm start."""
        paid = self.model.plan(self.network.tree, self.network.library, "reward")
        plan = self.model.plan(self.network.tree, self.network.library, self.config.chirp.planner)
        known = paid.tried.any(dim=1)
        leaves = plan.leaves[known]
        self.network.node_value[leaves] = paid.value[leaves]  # whatever is planned for, items are worth rewards
        self.network.choice[leaves] = plan.greedy()[known]
        self.begins[plan.leaves] = plan.hopeful()

    def _grow(self) -> None:
        """Split leaves, invent options, retire those that miss their goal."""
        own, tree, library, model = self.config.chirp, self.network.tree, self.network.library, self.model
        kept = self.errors[: min(int(self.counts[1]), N_ERRORS)]
        errors = Errors(kept[:, :N_VARIABLES], kept[:, N_VARIABLES].long(), kept[:, -1])
        for leaf in refine(tree, errors, own.splits_at_once, own.min_visits) if len(kept) else []:
            model.inherit(tree, leaf)
            lower = int(tree.child[leaf])
            for kept_of_leaf in (self.network.choice, self.network.node_value, self.begins):
                kept_of_leaf[lower : lower + 2] = kept_of_leaf[leaf].clone()
        leaves = tree.leaves.tolist()
        for leaf in leaves:
            library.add(leaf, leaf)
        farthest = max((tree.distance(a, b) for a in leaves for b in leaves), default=0.0)
        for a in leaves:
            for b in leaves:
                if model.changes[a, b] >= own.min_changes and tree.distance(a, b) >= own.distant_share * farthest:
                    library.add(a, b)
        leads = library.origin != library.goal
        library.is_live &= ~(leads & (model.tries >= own.retire_after) & (model.n_reached < 0.1 * model.tries))

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """Mean of (Q_o(s, i_k) − y_k)²; slates of the log are taken for option 0's."""
        network, catalogue = self.network, self.catalogue
        note = batch.note if batch.note.shape[1] else batch.reward_t.new_zeros(len(batch.slate), 2)
        option, age = note.nan_to_num().long().T
        wanted = network.wants(network.encoder(batch.state_t, catalogue.vectors), option)
        value = torch.einsum("bd,bkd->bk", wanted, network.encoder.item(catalogue.vectors[batch.slate]))
        return {"value_loss": functional.mse_loss(value, self._target(batch, option, age))}

    @torch.no_grad()
    def _target(self, batch: Batch, option: Int[Tensor, " b"], age: Int[Tensor, " b"]) -> Float[Tensor, "b k"]:
        """y_k of every shown item."""
        catalogue, target, k = self.catalogue, self.target, batch.slate.shape[1]
        leaf = self.network.leaf(batch.state_tp1, catalogue)
        is_over, is_reached = self._ends(option, age + 1, leaf)
        values = (
            target.wants(target.encoder(batch.state_tp1, catalogue.vectors), option) @ target.encoder.item(catalogue.vectors).T
        )
        best = showable(values, batch.state_tp1, catalogue, self.config.decoding, k)
        within = values.gather(1, best).mean(dim=1)
        future = torch.where(is_over, self.network.node_value[leaf], within)
        later = self.config.losses.gamma * (~batch.done_t) * future + self.config.chirp.target_bonus * is_reached
        return batch.item_reward_t + later[:, None]

    def to_tensors(self) -> dict[str, Tensor]:
        """Also the model of options, what sessions are about, and kept errors."""
        own = {**self.running._asdict(), "errors": self.errors, "counts": self.counts, "begins": self.begins}
        kept = nested("own", {name: tensor.clone() for name, tensor in own.items()})
        return {**super().to_tensors(), **kept, **nested("model", self.model.to_tensors())}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave; TrainingError where it is another network's."""
        super().load_tensors(tensors)
        device = self.catalogue.device
        own = {name: tensor.to(device, copy=True) for name, tensor in part("own", tensors).items()}
        self.running = Running(*(own[name] for name in Running._fields))
        self.errors, self.begins, self.counts = own["errors"], own["begins"], own["counts"].cpu()
        self.model.load_tensors({name: tensor.to(device) for name, tensor in part("model", tensors).items()})


METHOD = Method("chirp", Chirp, Chirp.read, fixed={"network": {"critic_trains_encoder": True}, "search": {"n_rounds": 0}})

"""Options between boxes of states, what they bring as far as was seen, and plans over them (semi-Markov value iteration).

Axes: n nodes of the tree, o options. An option leads from a node to a node, so that it outlives the splitting of either; where both are
the same it stays and harvests.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.learner.abstraction import Tree

# Newest ends of an option that its means are about.
WINDOW = 10_000
SWEEPS = 60


class Library(nn.Module):
    """The options. Buffers: ``origin`` and ``goal`` (o,) nodes, ``is_live`` (o,), ``count``. Option 0 harvests everywhere.

    Args:
        max_options: o.
    """

    origin: Tensor
    goal: Tensor
    is_live: Tensor
    count: Tensor

    def __init__(self, max_options: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(max_options, dtype=torch.int64))
        self.register_buffer("goal", torch.zeros(max_options, dtype=torch.int64))
        self.register_buffer("is_live", torch.arange(max_options) == 0)
        self.register_buffer("count", torch.tensor(1))

    def has(self, origin: int, goal: int) -> bool:
        """Whether there is, or was, such an option."""
        n = int(self.count)
        return bool(((self.origin[:n] == origin) & (self.goal[:n] == goal)).any())

    def add(self, origin: int, goal: int) -> bool:
        """A new option, unless there is such an option or no room; whether it was added."""
        number = int(self.count)
        if number == len(self.origin) or self.has(origin, goal):
            return False
        self.origin[number], self.goal[number], self.is_live[number] = origin, goal, True
        self.count += 1
        return True

    def available(self, below: Bool[Tensor, "n n"], leaves: Int[Tensor, " m"]) -> Bool[Tensor, "m o"]:
        """Which options may begin in which leaves: those of a box that holds the leaf, and whose goal does not hold it already."""
        is_inside = below[self.origin][:, leaves].T
        is_there = below[self.goal][:, leaves].T & (self.origin != self.goal)
        return is_inside & ~is_there & self.is_live

    def reached(self, option: Int[Tensor, " b"], leaf: Int[Tensor, " b"], below: Bool[Tensor, "n n"]) -> Bool[Tensor, " b"]:
        """Whether the goal of each option that leads elsewhere holds the leaf."""
        return below[self.goal[option], leaf] & (self.origin[option] != self.goal[option])

    def left(self, option: Int[Tensor, " b"], leaf: Int[Tensor, " b"], below: Bool[Tensor, "n n"]) -> Bool[Tensor, " b"]:
        """Whether an option that stays no longer holds the leaf."""
        return ~below[self.goal[option], leaf] & (self.origin[option] == self.goal[option])


class Plan(NamedTuple):
    """What options are worth.

    Attributes:
        leaves: m of the tree.
        value: of each node, by the best option that was tried in it.
        of_option: of each option that was tried in each leaf; −∞ elsewhere.
        may_begin: which options may begin in which leaves.
        tried: which of them did.
    """

    leaves: Int[Tensor, " m"]
    value: Float[Tensor, " n"]
    of_option: Float[Tensor, "m o"]
    may_begin: Bool[Tensor, "m o"]
    tried: Bool[Tensor, "m o"]

    def greedy(self) -> Int[Tensor, " m"]:
        """The best option that was tried in each leaf; option 0 where none was."""
        return self.of_option.argmax(dim=1)

    def hopeful(self) -> Int[Tensor, " m"]:
        """The same, where what was not tried yet is taken to be worth the best value of any leaf."""
        best = self.of_option.amax()
        return torch.where(self.may_begin & ~self.tried, best, self.of_option).argmax(dim=1)


class OptionModel:
    """Means over the newest ends of each option, by the leaf where it began.

    Attributes:
        ends: (n, o) how often it ended.
        reward: (n, o) its discounted reward.
        length: (n, o) its slates.
        arrival: (n, o, n) γ^length where it ended in a leaf, 0 elsewhere and where the session ended.
        visits: (n,) slates shown in each leaf.
        leaf_reward: (n,) their mean reward.
        tries: (o,) ends of each option.
        n_reached: (o,) of them in its goal.
        changes: (n, n) from leaf to leaf in a slate.
    """

    def __init__(self, n_nodes: int, n_options: int, device: torch.device) -> None:
        self.ends, self.reward, self.length = (torch.zeros(n_nodes, n_options, device=device) for _ in range(3))
        self.arrival = torch.zeros(n_nodes, n_options, n_nodes, device=device)
        self.visits, self.leaf_reward = torch.zeros(n_nodes, device=device), torch.zeros(n_nodes, device=device)
        self.tries, self.n_reached = torch.zeros(n_options, device=device), torch.zeros(n_options, device=device)
        self.changes = torch.zeros(n_nodes, n_nodes, device=device)

    def ended(self, leaf: int, option: int, reward: float, length: int, arrived: int | None, gamma: float) -> None:
        """An option that began in a leaf is over; ``arrived`` is None where the session is over too."""
        self.ends[leaf, option] += 1
        rate = max(1 / float(self.ends[leaf, option]), 1 / WINDOW)
        self.reward[leaf, option] += rate * (reward - self.reward[leaf, option])
        self.length[leaf, option] += rate * (length - self.length[leaf, option])
        self.arrival[leaf, option] *= 1 - rate
        if arrived is not None:
            self.arrival[leaf, option, arrived] += rate * gamma**length

    def shown(self, leaf: Int[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Slates that were shown in leaves."""
        for number in leaf.unique().tolist():
            rows = leaf == number
            self.visits[number] += rows.sum()
            gap = reward[rows].mean() - self.leaf_reward[number]
            self.leaf_reward[number] += gap * rows.sum() / self.visits[number].clamp(max=WINDOW)

    def inherit(self, tree: Tree, leaf: int) -> None:
        """The halves of a leaf begin with what is known of it."""
        lower = int(tree.child[leaf])
        for part in (self.ends, self.reward, self.length, self.arrival, self.leaf_reward):
            part[lower : lower + 2] = part[leaf].clone()
        self.visits[lower : lower + 2] = self.visits[leaf] / 2

    def plan(self, tree: Tree, library: Library, planner: str) -> "Plan":
        """Value iteration over the leaves.

            V(b) = max_o [R̂(b, o) + Σ_{b'} E[γ^k; b'] V(b')]

        over what was tried there. An inner node, where an option ended before it was split, is worth the mean of its halves. ``distance``
        plans for the fewest slates to the leaf of highest mean reward instead, and harvests there.
        """
        leaves, n_options = tree.leaves, int(library.count)
        may_begin = library.available(tree.below(), leaves)[:, :n_options]
        tried = (self.ends[leaves, :n_options] > 0) & may_begin
        reward, arrival = self.reward[leaves, :n_options], self.arrival[leaves, :n_options]
        goal = leaves[self.leaf_reward[leaves].argmax()]
        if planner == "distance":
            reward = -self.length[leaves, :n_options]
            arrival = arrival / arrival.sum(dim=2, keepdim=True).clamp_min(1e-9)
        value = torch.zeros(len(tree.variable), device=reward.device)
        inner = [node for node in range(tree.n_nodes - 1, -1, -1) if tree.variable[node] >= 0]
        for _ in range(SWEEPS):
            known = (reward + arrival @ value).masked_fill(~tried, -torch.inf)
            best = known.amax(dim=1)
            value[leaves] = torch.where(best.isfinite(), best, 0.0)
            if planner == "distance":
                value[goal] = 0.0
            for node in inner:
                lower = int(tree.child[node])
                value[node] = value[lower : lower + 2].mean()
        if planner == "distance":
            stays = may_begin & ((library.origin == goal) & (library.goal == goal))[:n_options] & (leaves == goal)[:, None]
            known, tried = torch.where(stays, 1.0, known), tried | stays
        return Plan(leaves, value, known, may_begin, tried)

    def to_tensors(self) -> dict[str, Tensor]:
        """All of it."""
        return {name: tensor.clone() for name, tensor in vars(self).items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``to_tensors`` gave."""
        for name in vars(self):
            setattr(self, name, tensors[name].clone())

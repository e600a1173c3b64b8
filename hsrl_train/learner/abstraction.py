"""States as boxes over readable variables: a tree that splits where errors of values are most dispersed (CHIRP's abstraction tree).

Axes: b users, x variables, n nodes, m logged errors.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import PADDING, Catalogue, State

# Groups of codes that are told apart, and the newest likes that are counted.
N_GROUPS, N_NEWEST = 8, 10
N_VARIABLES = N_GROUPS + 2
# Two halves of a box differ in their errors by this many standard errors before it is split.
LEAST_EFFECT = 3.0


class Errors(NamedTuple):
    """m errors of values: the variables of the state, the option, and the signed error."""

    variables: Float[Tensor, "m x"]
    option: Int[Tensor, " m"]
    error: Float[Tensor, " m"]


def variables_of(state: State, group: Int[Tensor, " n_items_plus_1"], max_history: int) -> Float[Tensor, "b x"]:
    """Each in [0, 1]: length of the history, how many of the 10 newest likes are of each group (of 10), and the entropy of those shares.

    Args:
        state: of b users.
        group: of each item, from 0; −1 where it has none.
        max_history: H.
    """
    lengths = (state.history != PADDING).sum(dim=1, keepdim=True)
    places = torch.arange(state.history.shape[1], device=lengths.device)
    is_new = (places < lengths) & (places >= lengths - N_NEWEST)
    of_place = group[state.history]
    counts = torch.zeros(len(lengths), N_GROUPS, device=lengths.device)
    counts.scatter_add_(1, of_place.clamp_min(0), (is_new & (of_place >= 0)).float())
    shares = counts / counts.sum(dim=1, keepdim=True).clamp_min(1)
    entropy = torch.special.entr(shares).sum(dim=1, keepdim=True) / torch.tensor(float(N_GROUPS)).log()
    return torch.cat([lengths / max_history, counts / N_NEWEST, entropy], dim=1)


def groups_of_codes(catalogue: Catalogue) -> Int[Tensor, " codes_plus_1"]:
    """A group for each code of level 1, and −1 at the end, where numbers of items without a code point.

    k-means of the codes' mean vectors into ``N_GROUPS``, begun at codes evenly spaced; each its own group where there are no more codes.
    """
    n_codes, codes = catalogue.vocabulary[0], catalogue.tokens[:, 0].long()
    none = torch.full((1,), -1, device=codes.device)
    if n_codes <= N_GROUPS:
        return torch.cat([torch.arange(n_codes, device=codes.device), none])
    has_code = codes >= 0
    sums = torch.zeros(n_codes, catalogue.vectors.shape[1], device=codes.device)
    sums.index_add_(0, codes[has_code], catalogue.vectors[has_code])
    means = sums / torch.bincount(codes[has_code], minlength=n_codes).clamp_min(1)[:, None]
    centres = means[torch.arange(N_GROUPS, device=codes.device) * n_codes // N_GROUPS]
    for _ in range(20):
        group = torch.cdist(means, centres).argmin(dim=1)
        for number in group.unique().tolist():
            centres[number] = means[group == number].mean(dim=0)
    return torch.cat([group, none])


class Tree(nn.Module):
    """A binary tree of boxes that halve one another; node 0 is all of [0, 1]^x. Nodes keep their numbers for ever.

    Buffers, so that weights of a policy hold it: ``variable`` (n,) that a node was split by, −1 for leaves and nodes that do not exist
    yet; ``child`` (n,), the lower half of a node, the upper is the next number; ``parent`` (n,), −1 for node 0; ``low`` and ``high``
    (n, x) of the boxes; ``count``, the nodes that exist.

    Args:
        max_leaves: most leaves.
        n_variables: x.
    """

    variable: Tensor
    child: Tensor
    parent: Tensor
    low: Tensor
    high: Tensor
    count: Tensor

    def __init__(self, max_leaves: int, n_variables: int = N_VARIABLES) -> None:
        super().__init__()
        n = 2 * max_leaves - 1
        self.max_leaves = max_leaves
        self.register_buffer("variable", torch.full((n,), -1))
        self.register_buffer("child", torch.zeros(n, dtype=torch.int64))
        self.register_buffer("parent", torch.full((n,), -1))
        self.register_buffer("low", torch.zeros(n, n_variables))
        self.register_buffer("high", torch.ones(n, n_variables))
        self.register_buffer("count", torch.tensor(1))
        self._below: tuple[int, Tensor] = (0, self.variable)

    @property
    def n_nodes(self) -> int:
        """Nodes that exist."""
        return int(self.count)

    @property
    def leaves(self) -> Int[Tensor, " n_leaves"]:
        """Their numbers."""
        return (self.variable[: self.n_nodes] < 0).nonzero()[:, 0]

    def leaf_of(self, variables: Float[Tensor, "b x"]) -> Int[Tensor, " b"]:
        """The leaf whose box each state lies in."""
        node = torch.zeros(len(variables), dtype=torch.int64, device=variables.device)
        while True:
            variable = self.variable[node]
            is_inner = variable >= 0
            if not is_inner.any():
                return node
            value = variables.gather(1, variable.clamp_min(0)[:, None])[:, 0]
            below = self.child[node]
            is_upper = value > self.high[below, variable.clamp_min(0)]
            node = torch.where(is_inner, below + is_upper.long(), node)

    def split(self, leaf: int, variable: int) -> None:
        """Halve a leaf's box; what lies on the middle belongs to the lower half."""
        lower, upper = self.n_nodes, self.n_nodes + 1
        for node in (lower, upper):
            self.low[node], self.high[node], self.parent[node] = self.low[leaf], self.high[leaf], leaf
        middle = (self.low[leaf, variable] + self.high[leaf, variable]) / 2
        self.high[lower, variable], self.low[upper, variable] = middle, middle
        self.variable[leaf], self.child[leaf] = variable, lower
        self.count += 2

    def lineage(self, node: int) -> list[int]:
        """From node 0 to the node."""
        found = [node]
        while self.parent[found[-1]] >= 0:
            found.append(int(self.parent[found[-1]]))
        return found[::-1]

    def below(self) -> Bool[Tensor, "n n"]:
        """Which node (second) lies in the box of which (first); kept until the tree grows."""
        if self._below[0] != self.n_nodes:
            found = torch.zeros(len(self.variable), len(self.variable), dtype=torch.bool, device=self.variable.device)
            for node in range(self.n_nodes):
                found[self.lineage(node), node] = True
            self._below = (self.n_nodes, found)
        return self._below[1]

    def distance(self, a: int, b: int) -> float:
        """0.9 (deepest − depth of the nearest common node + 1) + 0.1 mean length of both ways up to it."""
        ways = self.lineage(a), self.lineage(b)
        common = sum(x == y for x, y in zip(*ways, strict=False)) - 1
        deepest = max(len(self.lineage(int(leaf))) for leaf in self.leaves) - 1
        length = (len(ways[0]) + len(ways[1])) / 2 - 1 - common
        return 0.9 * (deepest - common + 1) + 0.1 * length


def refine(tree: Tree, errors: Errors, splits_at_once: int, min_visits: int) -> list[int]:
    """Split the leaves whose errors are most dispersed, each by the variable that explains them best; gives what was split.

    Of each leaf whose halves differ in some variable: the largest var / mean over options of errors scaled to [0, 1], as log₂; of three
    clusters of these leaves the top one, at most ``splits_at_once`` of it.
    """
    of_leaf = tree.leaf_of(errors.variables)
    dispersed: dict[int, float] = {}
    by: dict[int, int] = {}
    for leaf in tree.leaves.tolist():
        rows = of_leaf == leaf
        if int(rows.sum()) < min_visits:
            continue
        variable = explaining(tree, leaf, errors.variables[rows], errors.error[rows])
        if variable is not None:
            by[leaf], dispersed[leaf] = variable, dispersion(errors.error[rows], errors.option[rows])
    chosen = sorted(top_cluster(dispersed), key=lambda each: -dispersed[each])
    room = tree.max_leaves - len(tree.leaves)
    for leaf in chosen[: min(splits_at_once, room)]:
        tree.split(leaf, by[leaf])
    return chosen[: min(splits_at_once, room)]


def dispersion(error: Float[Tensor, " m"], option: Int[Tensor, " m"]) -> float:
    """log₂ of the largest var / mean over options of errors scaled to [0, 1]; −∞ where all are equal."""
    spread = float(error.max() - error.min())
    if not spread:
        return -torch.inf
    scaled = (error - error.min()) / spread
    each = [scaled[option == number] for number in option.unique()]
    ratios = [float(part.var(correction=0) / part.mean()) for part in each if len(part) > 1 and part.mean() > 0]
    return float(torch.tensor(max(ratios, default=0.0)).log2())


def top_cluster(values: dict[int, float]) -> list[int]:
    """The keys of the highest of three clusters of values, cut where the squares within are least; all of fewer than three."""
    keys = sorted((key for key in values if values[key] > -torch.inf), key=lambda key: values[key])
    if len(keys) < 3:
        return keys
    ordered = torch.tensor([values[key] for key in keys])

    def within(first: int, second: int) -> float:
        parts = (ordered[:first], ordered[first:second], ordered[second:])
        return sum(float((part - part.mean()).square().sum()) for part in parts)

    cuts = [(i, j) for i in range(1, len(keys) - 1) for j in range(i + 1, len(keys))]
    return keys[min(cuts, key=lambda cut: within(*cut))[1] :]


def explaining(tree: Tree, leaf: int, variables: Float[Tensor, "m x"], error: Float[Tensor, " m"]) -> int | None:
    """The variable whose halves differ most in their mean error, in standard errors; None where none does by ``LEAST_EFFECT``."""
    middle = (tree.low[leaf] + tree.high[leaf]) / 2
    is_upper = (variables > middle).float()
    n_upper = is_upper.sum(dim=0)
    n_lower = len(error) - n_upper
    upper, lower = error @ is_upper / n_upper, error @ (1 - is_upper) / n_lower
    # Within the halves: an error of the whole box would hide a jump that explains all of it.
    within = (error[:, None] - torch.where(is_upper > 0, upper, lower)).square().mean(dim=0)
    effect = (upper - lower).abs() / (within * (1 / n_upper + 1 / n_lower) + 1e-12).sqrt()
    effect = torch.where((n_upper >= 2) & (n_lower >= 2), effect, 0.0)
    best = int(effect.argmax())
    return best if float(effect[best]) >= LEAST_EFFECT else None

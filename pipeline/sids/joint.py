"""Fitting the codes of all levels together, after each level was learned on what the levels before it left over."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.sids.nearest import nearest_codes
from pipeline.sids.vectors import squared_norms

Matrix = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]

# A step goes beyond the mean (over-relaxation): 20 such rounds lower the error more than 60 plain rounds (docs/results/tokenizer.md).
OVERSHOOT = 1.8
SETTLING_ROUNDS = 2  # the last rounds go just to the mean
REPAIRS = 5  # further rounds, only to give codes that ended empty an item


@dataclass(frozen=True)
class JointEncoding:
    """Codes, and the greedy encoding of n rows under them.

    Attributes:
        codes: per level (V_l, d).
        tokens: per level (n,) in [0, V_l).
        entering: per level (n, d): what the levels before it left over.
        left: (n, d): what all levels left over.
        errors: (n,) w · ‖left‖².
    """

    codes: tuple[Matrix, ...]
    tokens: tuple[Tokens, ...]
    entering: tuple[Matrix, ...]
    left: Matrix
    errors: Weights

    @property
    def total(self) -> float:
        """What the rounds lower."""
        return float(self.errors.sum(dtype=np.float64))

    @property
    def empty(self) -> list[tuple[int, int]]:
        """Level and number of the codes without a row."""
        pairs = enumerate(zip(self.codes, self.tokens, strict=True))
        return [(level, int(code)) for level, (c, z) in pairs for code in np.flatnonzero(np.bincount(z, minlength=len(c)) == 0)]


def refine_jointly(
    rows: Matrix, weights: Weights | None, levels: tuple[Matrix, ...], n_rounds: int, most_of_mean: float | None = None
) -> JointEncoding:
    """Lower what all levels together leave over, by turns of greedy encoding and of moving every code.

        z = encode(x),   then for l = 1 … L:   C_l[v] ← C_l[v] + ω · mean{x − dec(z) : z_l = v}

    The mean is the step to the least squares solution of level l with the others held, weighted where items have weights. ω is 1.8,
    at last 1; a round after which the greedy encoding is not better is taken back, and ω − 1 halved. A code without rows starts
    again where one of the worst described rows lies.

    Args:
        rows: (n, d), finite.
        weights: (n,) > 0; None: all the same.
        levels: per level (V_l, d), as k-means left them.
        n_rounds: turns; 0 moves nothing but codes without rows.
        most_of_mean: while the codes move, no code holds more than this many times n / V_l rows, at least 1; its farthest rows are
            given to the nearest code that has room, so that codes come to lie where rows are many. None: any number.

    Returns:
        The codes and the greedy encoding of ``rows`` under them, without a limit.
    """
    weights = np.ones(len(rows), dtype=np.float32) if weights is None else weights
    best, overshoot = _match(rows, weights, levels, most_of_mean), OVERSHOOT
    for number in range(n_rounds):
        step = 1.0 if number >= n_rounds - SETTLING_ROUNDS else overshoot
        tried = _match(rows, weights, _refilled(best, _moved(best, weights, step)), most_of_mean)
        if tried.total < best.total:
            best = tried
        elif step == 1.0:
            break  # the next would be the same
        else:
            overshoot = 1.0 + (overshoot - 1.0) / 2.0
    if most_of_mean is not None:
        best = _match(rows, weights, best.codes)
    for _ in range(REPAIRS):
        if not best.empty:
            break
        best = _match(rows, weights, _refilled(best, list(best.codes)))
    return best


def _match(rows: Matrix, weights: Weights, codes: tuple[Matrix, ...], most_of_mean: float | None = None) -> JointEncoding:
    left, tokens, entering = rows, list[Tokens](), list[Matrix]()
    for level in codes:
        entering.append(left)
        nearest = nearest_codes(left, level)
        if most_of_mean is not None:
            nearest = _with_room(left, level, nearest, math.ceil(most_of_mean * len(left) / len(level)))
        tokens.append(nearest)
        left = left - level.take(nearest, axis=0)
    return JointEncoding(codes, tuple(tokens), tuple(entering), left, weights * squared_norms(left))


def _with_room(left: Matrix, codes: Matrix, nearest: Tokens, most: int) -> Tokens:
    """(n,) the nearest code of each row, or the nearest that has room: a code keeps the ``most`` rows that are nearest to it.

    A code that is full takes no more, so that there are at most as many turns as codes; ``most`` times V is n at least.
    """
    tokens, has_room = nearest.copy(), np.ones(len(codes), dtype=bool)
    while (counts := np.bincount(tokens, minlength=len(codes))).max() > most:
        has_room &= counts < most
        crowded = np.flatnonzero((counts > most)[tokens])
        distances = squared_norms(left[crowded] - codes[tokens[crowded]])
        order = np.lexsort((distances, tokens[crowded]))
        first = np.searchsorted(tokens[crowded][order], tokens[crowded][order])
        farthest = crowded[order[np.arange(len(order)) - first >= most]]
        tokens[farthest] = np.flatnonzero(has_room)[nearest_codes(left[farthest], codes[has_room])]
    return tokens


def _moved(matched: JointEncoding, weights: Weights, overshoot: float) -> list[Matrix]:
    """The codes after a step, one level after another."""
    moved, left, all_rows = list[Matrix](), matched.left, np.arange(len(matched.left))
    for codes, tokens in zip(matched.codes, matched.tokens, strict=True):
        holds = sparse.csr_matrix((weights, (tokens, all_rows)), shape=(len(codes), len(left)))
        mass = np.bincount(tokens, weights, len(codes))[:, None]
        step = (overshoot * (holds @ left) / np.where(mass > 0, mass, 1.0)).astype(np.float32)
        moved.append(codes + step)
        left = left - step.take(tokens, axis=0)
    return moved


def _refilled(matched: JointEncoding, codes: list[Matrix]) -> tuple[Matrix, ...]:
    """``codes``, those without rows put where one of the worst described rows enters their level, no two on the same row."""
    if empty := matched.empty:
        codes = [level.copy() for level in codes]
        worst = np.argsort(-matched.errors, kind="stable").tolist()
        for (level, code), row in zip(empty, worst, strict=False):
            codes[level][code] = matched.entering[level][row]
    return tuple(codes)

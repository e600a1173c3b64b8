"""Unique Semantic IDs: what they cost, beside last-level schemes."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from benchmarks.tokenizer.nights import Tokenized, Tokens, plain
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import WORLDS
from benchmarks.tokenizer.worlds import Matrix, frame_of, vectors_of
from pipeline.sids.capacity import CapacityRules, Seekers, assign_free_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import reconstruction_errors
from pipeline.sids.learn import learn_codebook
from pipeline.sids.names import fixed_hash, sid_keys
from pipeline.sids.vectors import distinct_rows

NONE_TAKEN = np.zeros(0, dtype=np.uint64)


def next_best(ids: npt.NDArray[np.int64], vectors: Matrix, book: Codebook) -> Tokens:
    """Last-level next-best: the nearest by error stays, the others take the nearest free code of the last level, one by one."""
    tokens, errors = plain_tokens(vectors, book)
    order = np.lexsort((fixed_hash(ids), errors))
    return _last_level(vectors, book, tokens, lambda rows, costs: _greedy_rows(order, rows, costs))


def hungarian(ids: npt.NDArray[np.int64], vectors: Matrix, book: Codebook) -> Tokens:
    """The cheapest assignment of a prefix's items to the codes of the last level."""
    tokens, _ = plain_tokens(vectors, book)
    return _last_level(vectors, book, tokens, lambda rows, costs: linear_sum_assignment(costs)[1])


def plain_tokens(vectors: Matrix, book: Codebook) -> tuple[Tokens, npt.NDArray[np.float32]]:
    """The nearest codes and their errors."""
    tokens = plain(vectors, book).tokens
    return tokens, reconstruction_errors(vectors, tokens, book)


def _greedy_rows(order: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], costs: Matrix) -> npt.NDArray[np.int64]:
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    chosen, costs = np.full(len(rows), -1), costs.copy()
    for row in np.argsort(rank[rows]):
        chosen[row] = int(costs[row].argmin())
        costs[:, chosen[row]] = np.inf
    return chosen


def _last_level(
    vectors: Matrix, book: Codebook, tokens: Tokens, assign: Callable[[npt.NDArray[np.int64], Matrix], npt.NDArray[np.int64]]
) -> Tokens:
    """Per prefix of all levels but the last; a prefix with more items than codes leaves the surplus where it was."""
    tokens, last = tokens.copy(), book.centroids[-1]
    residual = vectors - sum(book.centroids[level][tokens[:, level]] for level in range(book.n_levels - 1))
    prefix = np.unique(tokens[:, :-1], axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(prefix, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(prefix[order])) + 1):
        if len(rows) > 1:
            fit = rows[: len(last)]
            costs = ((residual[fit][:, None] - last[None]) ** 2).sum(axis=2)
            tokens[fit, -1] = assign(fit, costs)
    return tokens


def unique() -> Section:
    """Every world, every way."""
    rows = []
    for name, (nights, config, width) in WORLDS.items():
        night = next(nights(0))
        every = night.embed(night.learn(width))
        for what, embeddings in ((name, every), (f"{name}, items with signal", every.filter("has_signal"))):
            ids, vectors = embeddings["item_id"].to_numpy(), vectors_of(embeddings)
            book = learn_codebook(frame_of(ids, vectors) if "signal" in what else embeddings, config, seed=0)
            rows += [[what, *row] for row in _unique(ids, vectors, book)]
    return Section(
        "Unique Semantic IDs",
        ["world", "way", "items", "items that share a SID", "… of them twins of another", "unresolved", "MSE cost", "CPU s"],
        rows,
        "Unresolved: items beyond the first of a Semantic ID after resolution. MSE cost: against the nearest codes, same codebook. Twins have "
        "the very vector of another item of their SID (all items without signal of one category set do).",
    )


def _unique(ids: npt.NDArray[np.int64], vectors: Matrix, book: Codebook) -> list[list[str]]:
    greedy, base = plain(vectors, book).tokens, plain(vectors, book).mse

    def beam(**rules: int) -> Callable[[], Tokens]:
        seekers = Seekers.all_new(vectors, fixed_hash(ids), book)
        return lambda: assign_free_sids(seekers, book, NONE_TAKEN, CapacityRules(**rules)).tokens

    ways: dict[str, Callable[[], Tokens]] = {
        "nearest (candidates)": lambda: greedy,
        "**beam**": beam(),
        "beam, level 1 locked": beam(n_locked=1),
        "last-level next-best": lambda: next_best(ids, vectors, book),
        "last level, Hungarian per prefix": lambda: hungarian(ids, vectors, book),
    }
    rows = []
    group = distinct_rows(vectors)[1]
    for way, resolve in ways.items():
        cpu = time.process_time()
        tokens = resolve()
        cpu = time.process_time() - cpu
        done = Tokenized(tokens, float(reconstruction_errors(vectors, tokens, book).mean(dtype=np.float64)))
        keys = sid_keys(tokens, book.vocabulary)
        _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared = int((counts[where] > 1).sum())
        twins = len(ids) - len(np.unique(np.column_stack([group, where]), axis=0))
        unresolved = len(ids) - len(counts)
        rows.append(
            [way, f"{len(ids):,}", f"{shared:,}", f"{twins:,}", f"{unresolved:,}", f"{done.mse / base - 1:+.2%}", f"{cpu:.2f}"]
        )
    return rows

"""What items are written in: Semantic IDs of several origins, random ones, plain numbers; and what they are judged on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchmarks.retrieval.log import Ints, Sequences
from benchmarks.retrieval.network import Codes
from benchmarks.tokenizer.comparators import WAYS, TokenSpace, hsrl
from benchmarks.tokenizer.worlds import vectors_of
from pipeline.embeddings.config import EmbeddingsConfig, Kind
from pipeline.embeddings.embed import embed
from pipeline.embeddings.embed import learn as learn_embedding

RANDOM, NUMBERS = "random", "numbers"
BOTH: tuple[Kind, ...] = ("content", "cooccurrence")


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: as the table says it.
        way: of ``benchmarks.tokenizer.comparators.WAYS``, ``random`` or ``numbers``.
        parts: what the vectors are made of, as in ``[embeddings]``; not looked at by ``random`` and ``numbers``.
        space: L and V.
        has_further_token: items of one Semantic ID are told apart by a further token, as in TIGER, without meaning.
        history: what the history is written in where it is not the same: ``numbers``.
        tuned_as: the row whose learning rate is taken; empty: it has trials of its own.
    """

    name: str
    way: str
    parts: tuple[Kind, ...] = BOTH
    space: TokenSpace = TokenSpace()  # noqa: RUF009 (frozen)
    has_further_token: bool = False
    history: str = ""
    tuned_as: str = ""


OURS, PLAIN = "hsrl, content and co-occurrence", "plain item numbers"
ROWS: Sequence[Row] = (
    Row(OURS, "rq-kmeans"),
    Row(PLAIN, NUMBERS),
    Row("hsrl, co-occurrence", "rq-kmeans", ("cooccurrence",)),
    Row("hsrl, content", "rq-kmeans", ("content",)),
    Row("RQ-VAE", "rq-vae"),
    Row("OPQ", "opq"),
    Row("random tokens", RANDOM),
)
# Why codes do worse or better than plain numbers, a change at a time from OURS.
ABLATIONS: Sequence[Row] = (
    Row("a further token where items share", "rq-kmeans", has_further_token=True, tuned_as=OURS),
    Row("plain numbers in the history", "rq-kmeans", history=NUMBERS, tuned_as=OURS),
    Row("4 levels of 256", "rq-kmeans", space=TokenSpace(levels=4), tuned_as=OURS),
    Row("2 levels of 1,024", "rq-kmeans", space=TokenSpace(2, 1024), tuned_as=OURS),
)


@dataclass(frozen=True)
class Written:
    """A catalogue in codes.

    Attributes:
        codes: what the next item is written in.
        history_codes: what the history is written in; None: the same.
    """

    codes: Codes
    history_codes: Codes | None


@lru_cache(maxsize=1)  # trials of a row have the same codes
def written(row: Row, sequences: Sequences, seed: int) -> Written:
    """Make the codes of a row from what is learned from, never from items that validate or test.

    Args:
        row: which.
        sequences: the log.
        seed: of embeddings and codes, or of the random tokens.
    """
    popularity = sequences.popularity()
    tokens = tokens_of(row, sequences, seed)
    if row.has_further_token:
        tokens = np.column_stack([tokens, further_token(tokens)]).astype(np.uint16)
    codes = coded(tokens, row, popularity)
    return Written(codes, coded(numbers(sequences.n_items), row, popularity) if row.history == NUMBERS else None)


def coded(tokens: npt.NDArray[np.uint16], row: Row, popularity: Ints) -> Codes:
    """The codes with as many tokens a level as the row's space says, or as there are where it says nothing."""
    most = [int(level.max()) + 1 for level in tokens.T]
    is_spaced = row.way != NUMBERS and tokens.shape[1] >= row.space.levels
    vocabulary = [row.space.codes if is_spaced and level < row.space.levels else n for level, n in enumerate(most)]
    return Codes(tokens, tuple(vocabulary), popularity)


def numbers(n_items: int) -> npt.NDArray[np.uint16]:
    """(n, 1): every item its own token."""
    return np.arange(n_items, dtype=np.uint16)[:, None]


def tokens_of(row: Row, sequences: Sequences, seed: int) -> npt.NDArray[np.uint16]:
    """(n, L) tokens of the items, in the order of the catalogue."""
    if row.way == NUMBERS:
        return numbers(sequences.n_items)
    if row.way == RANDOM:
        draw = np.random.default_rng(seed)
        return draw.integers(row.space.codes, size=(sequences.n_items, row.space.levels)).astype(np.uint16)
    positives = sequences.positives()
    model = learn_embedding(sequences.items, [positives], EmbeddingsConfig(parts=row.parts), seed)
    vectors = np.ascontiguousarray(vectors_of(embed(model, sequences.items, [positives])))
    # content alone tells so few items apart that the guard rails refuse its last level; it is measured all the same
    fit = hsrl(row.space, guard_rails="warn") if row.way == "rq-kmeans" else WAYS[row.way](row.space)
    return fit(vectors, seed).encode(vectors)


def further_token(tokens: npt.NDArray[np.uint16]) -> Ints:
    """(n,) the rank of each item among those of its Semantic ID, in the order of the catalogue."""
    sid = np.unique(tokens, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(sid, kind="stable")
    rank = np.empty(len(sid), dtype=np.int64)
    rank[order] = np.arange(len(sid)) - np.searchsorted(sid[order], sid[order])
    return rank

"""A night of bad vectors: refused with its cause, or, where it was let through, without a trace after the next right one."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from pipeline.sids.config import SidsConfig
from tests.pipeline.sids.test_nightly import Nights, Vectors, clusters

LET_THROUGH = {"mode": "auto", "churn_budget": 0.003}


def shuffled(vectors: Vectors, share: float = 1.0) -> Vectors:
    """The vectors of a share of the items given to one another."""
    draw = np.random.default_rng(3)
    hit = draw.choice(list(vectors), int(share * len(vectors)), replace=False)
    return vectors | dict(zip(hit.tolist(), [vectors[item] for item in draw.permutation(hit).tolist()], strict=True))


@pytest.fixture
def nights() -> Nights:
    return Nights()


def mean(values: npt.NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def test_nothing_of_a_bad_night_stays(nights: Nights) -> None:
    """Thirty newcomers come in the night of the shuffled file. The next right night describes everyone as before: codes that were
    centred on it are dropped, newcomers are decided anew, and what was measured on it is measured anew."""
    everyone = clusters(330)
    vectors = {item: vector for item, vector in everyone.items() if item <= 300}
    nights.night(vectors, **LET_THROUGH)
    before, _ = nights.errors(vectors)
    nights.night(shuffled(everyone), **LET_THROUGH)
    nights.night(everyone, **LET_THROUGH)
    held, nearest = nights.errors(everyone)
    newcomers = nights.open["item_id"].to_numpy() > 300
    assert mean(held[~newcomers]) < 1.1 * mean(before)
    assert (held[newcomers] <= 1.1 * nearest[newcomers] * 1.001).all()
    recorded = nights.open["recon_error"].to_numpy()
    assert (np.abs(recorded - held) <= 0.5 * held + 1e-3).all()
    assert nights.codebook is not None
    assert (nights.open["is_ood"].to_numpy() == (held > nights.codebook.ood_error)).all()


def test_nothing_of_a_bad_append_night_stays(nights: Nights) -> None:
    """The same where codes are frozen: newcomers of the bad night are not held to what it gave them."""
    everyone = clusters(330)
    nights.night({item: vector for item, vector in everyone.items() if item <= 300}, mode="append")
    nights.night(shuffled(everyone), mode="append")
    nights.night(everyone, mode="append")
    held, nearest = nights.errors(everyone)
    newcomers = nights.open["item_id"].to_numpy() > 300
    assert (held[newcomers] <= 1.1 * nearest[newcomers] * 1.001).all()
    assert (np.abs(nights.open["recon_error"].to_numpy() - held)[newcomers] <= 0.5 * held[newcomers] + 1e-3).all()


@pytest.mark.parametrize("mode", ["append", "auto"])
def test_newcomers_of_the_night_before_a_bad_one_are_not_led_astray(nights: Nights, mode: str) -> None:
    """Thirty items come in a right night; the next is shuffled: it is tonight's vectors that are to doubt, not those they came with."""
    everyone = clusters(330)
    nights.night({item: vector for item, vector in everyone.items() if item <= 300}, mode=mode)
    nights.night(everyone, mode=mode)
    nights.night(shuffled(everyone), mode=mode)
    done = nights.night(everyone, mode=mode)
    held, nearest = nights.errors(everyone)
    newcomers = nights.open["item_id"].to_numpy() > 300
    assert (held > 1.1 * nearest * 1.001)[newcomers].sum() <= 1
    assert done.changes.waiting.height <= 1


def turned(vectors: Vectors) -> Vectors:
    """Another basis of the same space."""
    basis, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    return {item: (vector @ basis).astype(np.float32) for item, vector in vectors.items()}


def without_a_column(vectors: Vectors) -> Vectors:
    """Coordinate 0 is zero."""
    return {item: np.concatenate([[np.float32(0)], vector[1:]]).astype(np.float32) for item, vector in vectors.items()}


def with_a_column_filled(vectors: Vectors) -> Vectors:
    """Coordinate 0 has one value, before vectors, which are of different lengths, come to length 1."""
    rows = np.random.default_rng(4).uniform(1.0, 3.0, (len(vectors), 1)) * np.stack(list(vectors.values()))
    rows[:, 0] = rows[:, 0].mean()
    return dict(zip(vectors, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), strict=True))


BAD = {
    "shuffled": shuffled,
    "half shuffled": lambda vectors: shuffled(vectors, 0.5),
    "turned": turned,
    "sign flipped": lambda vectors: {item: -vector for item, vector in vectors.items()},
    "one column zero": without_a_column,
    "one column filled": with_a_column_filled,
    "all equal": lambda vectors: dict.fromkeys(vectors, vectors[1]),
    "another model": lambda vectors: clusters(len(vectors), seed=9),
}


def beyond_limits(nights: Nights, vectors: Vectors, which: int, **sids: object) -> set[str]:
    """The figures of a night that lie above the limit that warns (0) or blocks (1)."""
    done = nights.night(vectors, **sids)
    figures = dict(done.metrics.filter(pl.col("level") == 0).select("metric", "value").iter_rows())
    config = SidsConfig()
    limits = {
        "explained_drop": config.explained_drop_limits,
        "strayed_share": config.strayed_limits,
        "lost_signal_share": config.lost_signal_limits,
        "lost_columns_share": config.lost_columns_limits,
    }
    return {name for name, pair in limits.items() if figures.get(name, 0.0) > pair[which]}


@pytest.mark.parametrize("mode", ["append", "auto"])
@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_bad_file_blocks_and_the_next_right_one_does_not(kind: str, mode: str) -> None:
    """Also in a catalogue of 34 items, and where the bad one was let through."""
    for n, vocabulary in ((300, 8), (34, 4)):
        nights = Nights(vocabulary=vocabulary)
        nights.night(clusters(n), mode=mode)
        assert beyond_limits(nights, BAD[kind](clusters(n)), 1, mode=mode)
        assert not beyond_limits(nights, clusters(n), 1, mode=mode)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "vocabulary", "more"), [(34, 4, 0), (80, 8, 1), (10, 2, 5)])
def test_thirty_honest_nights_warn_of_nothing(nights: Nights, n: int, vocabulary: int, more: int) -> None:
    """Vectors tremble, items come; the last world grows from ten items by five a night."""
    draw, everyone = np.random.default_rng(0), clusters(n + 30 * more)
    for night in range(30):
        tonight = {item: vector for item, vector in everyone.items() if item <= n + night * more}
        trembling = {item: (vector + draw.normal(0, 0.05, 16)).astype(np.float32) for item, vector in tonight.items()}
        assert not beyond_limits(nights, trembling, 0, vocabulary=vocabulary, guard_rails="warn")


def test_the_length_of_vectors_is_not_their_meaning_and_lost_ones_are_told(nights: Nights) -> None:
    """A fifth of the items falls back on its categories: that is a fault of the file, whatever their vectors are."""
    vectors = clusters()
    nights.night(vectors, mode="append")
    assert beyond_limits(nights, vectors, 0, mode="append") == set()
    assert beyond_limits(nights, vectors, 1, mode="append", fallbacks=range(1, 70)) == {"lost_signal_share"}

"""Nights of the tokenizer: an item that waits for a move is never forgotten, and every one is served in the end."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from pipeline.contracts import EMBEDDINGS, ITEMS, SID_HISTORY, SID_WAITING, open_rows
from pipeline.errors import ContractError
from pipeline.sids.assign import apply_changes
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.nightly import NightDecision, decide_night
from pipeline.sids.restore import restore

Vectors = dict[int, npt.NDArray[np.float32]]
SIDS: dict[str, Any] = {"levels": 3, "vocabulary": 8}


def clusters(n: int = 300, seed: int = 0) -> Vectors:
    """Items 1 … n around 12 centres, d = 16, noise .5, each of length 1."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(12, 16))[draw.integers(0, 12, n)] + draw.normal(0, 0.5, (n, 16))
    return dict(enumerate((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), start=1))


class Nights:
    """A warehouse's Semantic IDs as they go from night to night, in memory; ``release`` counts from 1."""

    def __init__(self, **sids: Any) -> None:
        self.release, self.last_night, self.sids = 0, 0, SIDS | sids
        self.history, self.waiting, self.embeddings = SID_HISTORY.empty(), SID_WAITING.empty(), EMBEDDINGS.empty()
        self.codebook: Codebook | None = None
        self.books: list[Codebook] = []

    def night(self, vectors: Vectors, *, fallbacks: Collection[int] = (), rebuild: bool = False, **sids: Any) -> NightDecision:
        """One refresh: all items of ``vectors`` are active, those of ``fallbacks`` without a signal of their own."""
        self.release += 1
        rows = [("m", item, vector.tolist(), item not in fallbacks) for item, vector in vectors.items()]
        embeddings = pl.DataFrame(rows, schema=EMBEDDINGS.schema, orient="row")
        items = pl.DataFrame(
            [(item, str(item), None, [], None, None, None, True) for item in vectors], schema=ITEMS.schema, orient="row"
        )
        popularity = pl.DataFrame({"item_id": list(vectors), "n_positives": [1] * len(vectors)})
        night = NightInputs(self.release, items, embeddings, popularity)
        done = decide_night(SidsConfig(**(self.sids | sids)), 0, night, self._incumbents(rebuild))
        self.history = apply_changes(self.history, done.changes.upserts)
        self.waiting, self.embeddings, self.last_night = done.changes.waiting, embeddings, self.release
        self.codebook = done.codebook
        self.books.append(done.codebook)
        return done

    def rollback(self, target: int) -> None:
        """A release with the Semantic IDs of an earlier one; vectors stay."""
        self.release += 1
        self.history = apply_changes(self.history, restore(self.history, target, self.release))
        open_book = self.open["codebook_id"][0]
        self.codebook = next(book for book in self.books if book.codebook_id == open_book)

    @property
    def open(self) -> pl.DataFrame:
        """The open rows, by item."""
        return open_rows(self.history).sort("item_id")

    def errors(self, vectors: Vectors) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Of each open row, in the order of the items: the error of what it holds, and of the nearest codes."""
        assert self.codebook is not None
        matrix = np.stack([vectors[item] for item in self.open["item_id"]])
        tokens = np.array(self.open["tokens"].to_list(), dtype=np.uint16)
        return reconstruction_errors(matrix, tokens, self.codebook), encode(matrix, self.codebook).recon_error

    def well_described(self, vectors: Vectors, items: Collection[int]) -> list[int]:
        """Those of ``items`` that hold the nearest Semantic ID."""
        held, nearest = self.errors(vectors)
        return self.open.filter(pl.Series(held <= nearest * 1.001) & pl.col("item_id").is_in(list(items)))["item_id"].to_list()

    def _incumbents(self, rebuild: bool) -> SidIncumbents:
        codebook = None if rebuild else self.codebook
        same_numbering = [book for book in self.books if codebook is not None and book.numbering_id == codebook.numbering_id]
        earlier = {book.codebook_id: book for book in same_numbering if codebook and book.codebook_id != codebook.codebook_id}
        return SidIncumbents(
            history=self.history,
            codebook=codebook,
            same_numbering_ids=frozenset(book.codebook_id for book in same_numbering),
            earlier=tuple(earlier.values()),
            waiting=self.waiting,
            last_night=self.last_night,
            reserved_from=0 if self.sids.get("tombstone_nights") else self.release + 1,
            embeddings=EMBEDDINGS.empty() if codebook is None else self.embeddings,
        )


def changed(vectors: Vectors, items: Collection[int], seed: int) -> Vectors:
    """The same, with other vectors for ``items``."""
    other = clusters(len(vectors), seed)
    return vectors | {item: other[item] for item in items}


@pytest.fixture
def nights() -> Nights:
    return Nights()


def test_who_waits_is_not_forgotten_by_a_night_that_centres_codes_anew(nights: Nights) -> None:
    """Items 1–30 change; one may move in each night; a refresh night comes first, then append nights with a budget for all."""
    vectors = clusters()
    nights.night(vectors, mode="append")
    vectors = changed(vectors, range(1, 31), seed=1)
    nights.night(vectors, mode="refresh", churn_budget=0.0)
    for _ in range(3):
        nights.night(vectors, mode="append", churn_budget=0.1)
    held, nearest = nights.errors(vectors)
    assert (held <= 1.1 * nearest * 1.001).all(), f"{(held > 1.1 * nearest).sum()} items wait for ever, error {held.max():.2f}"


def test_who_was_restored_to_a_sid_that_no_longer_fits_is_asked(nights: Nights) -> None:
    """Items change and move; the move is taken back by a rollback, the vectors stay: their old Semantic IDs do not fit them."""
    vectors = clusters()
    nights.night(vectors, mode="append")
    vectors = changed(vectors, range(1, 31), seed=1)
    nights.night(vectors, mode="append", churn_budget=1.0)
    nights.rollback(1)
    nights.night(vectors, mode="append", churn_budget=1.0)
    held, nearest = nights.errors(vectors)
    assert (held <= 1.1 * nearest * 1.001).all()


def test_a_smaller_epsilon_asks_everyone(nights: Nights) -> None:
    """Within ε = 1 hardly anyone wanted to move; with ε = 0 whoever is not at its nearest does, though no vector changed."""
    vectors = clusters()
    nights.night(vectors, mode="append")
    vectors = {
        item: vector + np.float32(0.3) * other
        for (item, vector), other in zip(vectors.items(), clusters(seed=2).values(), strict=True)
    }
    nights.night(vectors, mode="append", epsilon=3.0, churn_budget=1.0)
    nights.night(vectors, mode="append", epsilon=0.0, churn_budget=1.0)
    held, nearest = nights.errors(vectors)
    assert (held <= nearest * 1.001).all()


def test_a_place_that_became_free_is_offered_to_who_had_none(nights: Nights) -> None:
    """Unique Semantic IDs: five twins spread over neighbours; the one at the nearest leaves, and another takes its place."""
    nights.sids |= {"collisions": "beam", "capacity": 1, "tombstone_nights": 0}
    vectors = clusters(60)
    vectors |= dict.fromkeys(range(2, 6), vectors[1])
    nights.night(vectors, mode="append")
    [nearest_item] = nights.well_described(vectors, range(1, 6))
    left = {item: vector for item, vector in vectors.items() if item != nearest_item}
    for _ in range(3):
        nights.night(left, mode="append", churn_budget=1.0)
    assert len(nights.well_described(left, range(1, 6))) == 1


def test_a_crowded_catalogue_grows_while_there_is_a_place_for_each(nights: Nights) -> None:
    """80 unique Semantic IDs of 4 × 5 × 5 = 100, many of them not the nearest ones, whose items ask for better ones every night: they
    have their places already, so that 15 newcomers find one each, and 25 do not."""
    nights.sids |= {"collisions": "beam", "capacity": 1, "vocabulary": [4, 5, 5], "guard_rails": "warn"}
    all_vectors = clusters(105)
    nights.night({item: vector for item, vector in all_vectors.items() if item <= 80}, mode="append")
    for n in (95, 98):
        done = nights.night({item: vector for item, vector in all_vectors.items() if item <= n}, mode="append")
        assert nights.open.height == nights.open["sid"].n_unique() == n
        assert done.changes.missing.is_empty()
    with pytest.raises(ContractError, match=r"more items \(105\) than the 100 places"):
        nights.night(all_vectors, mode="append")


def beyond_hysteresis(nights: Nights, vectors: Vectors) -> set[int]:
    """Items whose Semantic ID no longer fits them."""
    held, nearest = nights.errors(vectors)
    return set(nights.open.filter(pl.Series(held > 1.101 * nearest + 1e-6))["item_id"])


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_nights_bring_nobody_waits_unseen_and_everyone_is_served(nights: Nights, seed: int) -> None:
    """Nights of all modes, budgets and mishaps: items change, lose their vectors or their signal, return; a rollback, a rebuild.
    After every refresh those who no longer fit are exactly those listed; then quiet nights serve four each, and all are served."""
    draw = np.random.default_rng(seed)
    vectors = clusters(80, seed)
    nights.night(vectors)
    for _ in range(12):
        kind = draw.choice(["append", "refresh", "auto", "rollback", "rebuild"], p=[0.35, 0.4, 0.15, 0.05, 0.05])
        if kind == "rollback":
            if nights.release > 1:
                nights.rollback(nights.release - 1)
            continue
        hit = draw.choice(np.arange(1, 81), 12, replace=False).tolist()
        vectors = changed(vectors, hit[: draw.integers(0, 9)], seed=int(draw.integers(1000)))
        tonight = {item: vector for item, vector in vectors.items() if item not in hit[8:]}
        mode, budget = "refresh" if kind == "rebuild" else kind, float(draw.choice([0.0, 0.05]))
        done = nights.night(tonight, fallbacks=hit[6:8], rebuild=kind == "rebuild", mode=mode, churn_budget=budget)
        assert beyond_hysteresis(nights, tonight) <= set(done.changes.waiting["item_id"])
        assert (done.changes.waiting["since_release"] <= nights.release).all()
    done = nights.night(vectors, mode="append", churn_budget=0.05)
    for _ in range(-(-done.changes.waiting.height // 4)):
        done = nights.night(vectors, mode="append", churn_budget=0.05)
    assert done.changes.waiting.is_empty()
    assert not beyond_hysteresis(nights, vectors)


def test_since_when_someone_waits_is_told(nights: Nights) -> None:
    """Thirty items change in release 2, one moves a night: in release 4 those left have waited for three nights since 2."""
    vectors = clusters()
    nights.night(vectors, mode="append")
    vectors = changed(vectors, range(1, 31), seed=1)
    for mode in ("append", "refresh", "append"):
        waiting = nights.night(vectors, mode=mode, churn_budget=0.0).changes.waiting
    old = waiting.filter(pl.col("item_id") <= 30)
    assert old.height > 10
    assert set(old.select("since_release", "n_nights", "release_id").iter_rows()) == {(2, 3, 4)}
    assert (old["recon_error"] > 1.1 * old["best_error"]).all()

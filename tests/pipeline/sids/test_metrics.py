"""Figures of a release, each worked by hand on the line world."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.contracts import ITEMS, SID_HISTORY, open_rows
from pipeline.errors import ContractError
from pipeline.sids import metrics
from pipeline.sids.assign import apply_changes
from pipeline.sids.codebook import Codebook
from pipeline.sids.figures import entropy_bits, gini
from pipeline.sids.metrics import Background, ReleaseSids, sid_metrics
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]
Nights = Callable[..., list[tuple[pl.DataFrame, pl.DataFrame]]]
DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"


def figures(rows: pl.DataFrame) -> dict[tuple[int, str], float]:
    """(level, metric) → value."""
    return {(level, name): value for level, name, value in rows.select("level", "metric", "value").iter_rows()}


@pytest.fixture
def nights(line: Codebook, embed: Frames, catalogue: Frames) -> Nights:
    """Per night the open rows and the embeddings of the points given."""

    def run(*worlds: dict[int, float]) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
        history, seen = SID_HISTORY.empty(), []
        for release, points in enumerate(worlds, start=1):
            vectors = embed({item: [point] for item, point in points.items()})
            history = apply_changes(history, assign_night((release, catalogue(points), vectors), line, history).upserts)
            seen.append((open_rows(history), vectors))
        return seen

    return run


def test_the_figures_of_one_release(line: Codebook, nights: Nights) -> None:
    """Items at 5, 5.2, 4.8 and −3 take 1-1, 1-1, 1-1 and 0-1.

    Errors after level 1 are 1, 1.44, 0.64, 1 (mean 1.02), after level 2 0, 0.04, 0.04, 0 (mean 0.02). The mean is 3, so the
    variance is (4 + 4.84 + 3.24 + 36) / 4 = 12.02. Level 1 has shares ¼ and ¾: 0.8113 bits; level 2 uses one code of two.
    """
    [(rows, vectors)] = nights({1: 5.0, 2: 5.2, 3: 4.8, 4: -3.0})
    seen = figures(sid_metrics(ReleaseSids(1, line, rows, vectors)))
    counts = {
        "n_items": 4,
        "n_sids": 2,
        "shared_items": 3,
        "excess_collisions": 2,
        "largest_bucket": 3,
        "ood_items": 0,
        "n_new": 4,
    }
    assert {name: seen[0, name] for name in counts} == counts
    assert seen[0, "shared_items_share"] == 0.75
    assert seen[0, "mse"] == pytest.approx(0.02, rel=1e-4)
    assert seen[1, "mse"] == pytest.approx(1.02, rel=1e-5)
    assert seen[0, "explained_variance"] == pytest.approx(1 - 0.02 / 12.02, rel=1e-5)
    assert seen[1, "explained_variance"] == pytest.approx(1 - 1.02 / 12.02, rel=1e-5)
    assert seen[1, "entropy"] == pytest.approx(0.8113, abs=1e-4)
    assert seen[1, "perplexity"] == pytest.approx(2**0.8113, abs=1e-3)
    assert (seen[1, "used_codes_share"], seen[2, "used_codes_share"]) == (1.0, 0.5)
    assert (seen[2, "entropy"], seen[2, "perplexity"]) == (0.0, 1.0)


def test_the_last_code_of_a_level_counts_when_no_item_has_it(line: Codebook, nights: Nights) -> None:
    """Items at −5 and −5.2 take 0-0: of both levels one code of two is used."""
    [(rows, vectors)] = nights({1: -5.0, 2: -5.2})
    seen = figures(sid_metrics(ReleaseSids(1, line, rows, vectors)))
    assert (seen[1, "used_codes_share"], seen[2, "used_codes_share"]) == (0.5, 0.5)


def test_the_first_release_has_no_figures_of_change(line: Codebook, nights: Nights) -> None:
    [(rows, vectors)] = nights({1: 5.0})
    names = {name for _, name in figures(sid_metrics(ReleaseSids(1, line, rows, vectors)))}
    assert names.isdisjoint({"kept_share", "kept_prefix_share", "n_closed", "explained_variance"})


def test_the_figures_of_change(line: Codebook, nights: Nights) -> None:
    """Of 1 … 4 the last goes; 1 stays, 2 moves from 1-1 to 1-0 (level 1 kept), 3 from 1-1 to 0-1; 5 is new."""
    (before, _), (rows, vectors) = nights({1: 5.0, 2: 5.0, 3: 5.0, 4: -3.0}, {1: 5.0, 2: 3.0, 3: -3.0, 5: 3.0})
    seen = figures(sid_metrics(ReleaseSids(2, line, rows, vectors, before)))
    assert seen[0, "kept_share"] == pytest.approx(1 / 3)
    assert (seen[1, "kept_prefix_share"], seen[2, "kept_prefix_share"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert [seen[0, name] for name in ("n_new", "n_moved", "n_returned", "n_closed")] == [1, 2, 0, 1]


def test_another_codebook_keeps_nothing(line: Codebook, nights: Nights) -> None:
    """The same numbers under another codebook mean something else."""
    [(rows, vectors)] = nights({1: 5.0})
    other = rows.with_columns(codebook_id=pl.lit("other"))
    assert figures(sid_metrics(ReleaseSids(1, line, rows, vectors, other)))[0, "kept_share"] == 0.0


def test_entropy_counts_bits() -> None:
    assert entropy_bits(np.array([0.25] * 4)) == 2.0
    assert entropy_bits(np.array([1.0, 0.0])) == 0.0


def test_the_document_has_a_row_for_every_metric_and_no_other() -> None:
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    documented = {
        (name.strip().strip("`"), cells[2].strip()) for cells in rows for name in cells[1].split(",") if len(cells) == 6
    }
    known = {(name, "0") for name in (*metrics.OF_RELEASE, *metrics.OF_RUN)} | {(name, "1 … L") for name in metrics.OF_LEVEL}
    documented = {row for row in documented if row[1] in ("0", "1 … L")}
    assert documented == known


def test_closed_rows_and_rows_of_another_codebook_are_refused(line: Codebook, nights: Nights) -> None:
    [(rows, vectors)] = nights({1: 5.0})
    for bad in (rows.with_columns(valid_to=pl.lit(2, dtype=pl.Int64)), rows.with_columns(codebook_id=pl.lit("other"))):
        with pytest.raises(ContractError, match="1 of 1 rows are closed or of another codebook"):
            sid_metrics(ReleaseSids(1, line, bad, vectors))


def test_no_rows_are_refused(line: Codebook, embed: Frames) -> None:
    with pytest.raises(ContractError, match="0 items have a Semantic ID"):
        sid_metrics(ReleaseSids(1, line, SID_HISTORY.empty(), embed({})))


def test_items_without_a_vector_are_refused(line: Codebook, embed: Frames, nights: Nights) -> None:
    [(rows, _)] = nights({1: 5.0, 2: 3.0})
    with pytest.raises(ContractError, match="1 of 2 items have no vector"):
        sid_metrics(ReleaseSids(1, line, rows, embed({1: [5.0]})))


def test_collisions_are_told_from_twins_and_weighed_by_popularity(line: Codebook, nights: Nights) -> None:
    """1 and 2 are twins at 5, 3 at 5.2 shares their SID, 4 is alone. Of 10 positives 7 lie on the shared SID.

    Bucket 1-1 holds two distinct vectors: one conflict and one twin make its two excess items.
    """
    [(rows, vectors)] = nights({1: 5.0, 2: 5.0, 3: 5.2, 4: -3.0})
    liked = pl.DataFrame({"item_id": [1, 3, 4], "n_positives": [5, 2, 3]})
    seen = figures(sid_metrics(ReleaseSids(1, line, rows, vectors), Background(popularity=liked)))
    assert [seen[0, name] for name in ("excess_collisions", "twins", "conflicts", "icr")] == [2, 1, 1, 0.25]
    assert seen[0, "shared_popularity_share"] == pytest.approx(0.7)


def test_stability_weighed_by_popularity(line: Codebook, nights: Nights) -> None:
    """1 (9 positives) stays, 2 (1 positive) moves at level 2."""
    (before, _), (rows, vectors) = nights({1: 5.0, 2: 5.0}, {1: 5.0, 2: 3.0})
    liked = pl.DataFrame({"item_id": [1, 2], "n_positives": [9, 1]})
    seen = figures(sid_metrics(ReleaseSids(2, line, rows, vectors, before), Background(popularity=liked)))
    assert (seen[0, "kept_share"], seen[0, "kept_popularity_share"]) == (0.5, pytest.approx(0.9))
    assert (seen[1, "kept_prefix_popularity_share"], seen[2, "kept_prefix_popularity_share"]) == (1.0, pytest.approx(0.9))


def test_prefixes_are_held_against_categories(line: Codebook, nights: Nights) -> None:
    """Right of 0 three of category a and one of b, left two of b: 5 of 6 in the largest category of their prefix."""
    [(rows, vectors)] = nights({1: 5.0, 2: 5.0, 3: 3.0, 4: 3.0, 5: -3.0, 6: -5.0})
    category_of = {1: "a", 2: "a", 3: "a", 4: "b", 5: "b", 6: "b"}
    items = pl.DataFrame(
        [(item, str(item), None, [name], None, None, None, True) for item, name in category_of.items()],
        schema=ITEMS.schema,
        orient="row",
    )
    seen = figures(sid_metrics(ReleaseSids(1, line, rows, vectors), Background(items=items)))
    assert seen[1, "category_purity"] == pytest.approx(5 / 6)
    assert 0 < seen[1, "category_nmi"] < 1
    assert (seen[1, "prefix_fanout"], seen[2, "prefix_fanout"]) == (2.0, 2.0)


def test_what_chance_alone_gives_is_taken_off_the_information_on_categories(line: Codebook, nights: Nights) -> None:
    """Left of 0 is a, right of it b: level 1 tells all. Four prefixes of one item each would tell any two categories: worth nothing."""
    [(rows, vectors)] = nights({1: -5.0, 2: -3.0, 3: 3.0, 4: 5.0})
    items = pl.DataFrame(
        [(item, str(item), None, ["a" if item < 3 else "b"], None, None, None, True) for item in (1, 2, 3, 4)],
        schema=ITEMS.schema,
        orient="row",
    )
    seen = figures(sid_metrics(ReleaseSids(1, line, rows, vectors), Background(items=items)))
    assert (seen[1, "category_nmi"], seen[1, "category_ami"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (seen[2, "category_nmi"], seen[2, "category_ami"]) == (pytest.approx(2 / 3), pytest.approx(0.0, abs=1e-9))


def test_keeping_a_sid_that_is_not_the_nearest_has_a_cost(line: Codebook, nights: Nights) -> None:
    """At 4.02 the kept 3 costs 1.0404 where 5 would cost 0.9604. Between ±4 and to the nearest of ±1 the margins are nearly 1 and 0."""
    (before, _), (rows, vectors) = nights({1: 3.9}, {1: 4.02})
    seen = figures(sid_metrics(ReleaseSids(2, line, rows, vectors, before), Background(outcomes={"deferred": 3})))
    assert seen[0, "resolution_cost"] == pytest.approx(1.0404 / 0.9604 - 1, rel=1e-3)
    assert (seen[0, "error_p50"], seen[0, "n_deferred"]) == (pytest.approx(1.0404, rel=1e-3), 3)
    assert seen[1, "margin"] == pytest.approx(1 - 0.02**2 / 8.02**2, rel=1e-3)
    assert seen[2, "margin"] == pytest.approx(1 - 0.98**2 / 1.02**2, rel=1e-2)


def test_gini_is_none_of_equal_shares_and_nearly_one_of_one() -> None:
    assert gini(np.array([0.25] * 4)) == pytest.approx(0.0)
    assert gini(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(0.75)

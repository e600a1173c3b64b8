"""A core of users and items with enough events, and rows that are left out because that is meant."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.contracts import FILE_LINES, REJECTS
from pipeline.errors import QuarantineError
from pipeline.ingest import reasons
from pipeline.ingest.core import core_of
from pipeline.ingest.reject_limit import RejectLimit
from pipeline.ingest.table_config import TableSource
from tests.support.tables import read_source

COLUMNS = {"user": "u", "item": "i", "time": "t", "feedback": "y"}
# User 3 has one event; without it item 30 has one, and without that user 2 has one.
PAIRS = [(1, 10), (1, 11), (4, 10), (4, 11), (2, 10), (2, 30), (3, 30)]


def pairs(rows: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user": pl.Int64(), "item": pl.Int64()}, orient="row")


@pytest.mark.parametrize(
    ("least", "users", "items"),
    [
        ((2, 2), [1, 4], [10, 11]),
        ((1, 2), [1, 2, 3, 4], [10, 11, 30]),
        ((1, 3), [1, 2, 4], [10]),
        ((1, 1), [1, 2, 3, 4], [10, 11, 30]),
    ],
)
def test_what_falls_out_takes_others_with_it(least: tuple[int, int], users: list[int], items: list[int]) -> None:
    core = core_of(pairs(PAIRS), *least)
    assert (sorted(core.users), sorted(core.items)) == (users, items)


def test_nothing_may_be_left() -> None:
    assert core_of(pairs(PAIRS), 5, 5).users.is_empty()


def test_rows_outside_the_core_go_to_quarantine_with_their_lines(tmp_path: Path) -> None:
    """A row that is refused anyway is not counted: item 11 of user 5 has no time."""
    lines = [f"{user},{item},{n + 1},1" for n, (user, item) in enumerate(PAIRS)]
    (tmp_path / "log.csv").write_text("u,i,t,y\n" + "\n".join([*lines, "5,11,then,1"]) + "\n")
    batch = read_source(2, path=tmp_path / "*.csv", columns=COLUMNS, delivery="all", core={"users": 2, "items": 2})
    assert batch.events.select("user_id", "item_id").rows() == [(1, 10), (1, 11), (4, 10), (4, 11)]
    assert batch.rejects.sort("line").select("line", "reason").rows() == [
        *((line, reasons.OUTSIDE_CORE) for line in (6, 7, 8)),
        (9, "time is not a time in s since 1970"),
    ]


def test_a_core_needs_the_whole_delivery() -> None:
    with pytest.raises(ValidationError, match="core counts events over a delivery"):
        TableSource.model_validate({"path": "x", "columns": COLUMNS, "core": {"items": 50}})


@pytest.mark.parametrize(("n_meant", "n_wrong", "is_refused"), [(90, 0, False), (90, 2, True), (100, 0, True)])
def test_what_is_meant_to_be_left_out_is_no_fault_unless_nothing_is_left(n_meant: int, n_wrong: int, is_refused: bool) -> None:
    """Of 100 rows, at a limit of 1 %."""
    row: dict[str, Any] = {"file": "f", "path": "f", "content": "events", "n_lines": 100, "n_rows": 100}
    lines = pl.DataFrame([row | dict.fromkeys(("n_header", "n_blank", "n_continued", "n_open"), 0)], schema=FILE_LINES.schema)
    lines = lines.with_columns(n_rejected=pl.lit(n_meant + n_wrong), n_known=pl.lit(0))
    reason = [reasons.OUTSIDE_CORE] * n_meant + ["time is missing"] * n_wrong
    rejects = pl.DataFrame({"file": "f", "line": range(len(reason)), "raw": "x", "reason": reason}, schema=REJECTS.schema)
    limit = RejectLimit("s", "d", 0.01)
    if is_refused:
        with pytest.raises(QuarantineError, match=r"of 100 rows of f of delivery d were rejected"):
            limit.require(lines, rejects)
    else:
        limit.require(lines, rejects)


@pytest.mark.real
def test_kuairand_of_items_with_fifty_events(shared_data: Path) -> None:
    """Videos of the subset with 50 rows or more, counted by hand; all users stay that have one of them."""
    path = shared_data / "kuairand" / "kuairand27k_like_hate_subset.tsv.gz"
    counted = pl.read_csv(path, separator="\t", columns=["user_id", "video_id"])
    popular = counted.group_by("video_id").len().filter(pl.col("len") >= 50)
    batch = read_source(kind="kuairand", path=path, core={"items": 50})
    assert batch.events.height == popular["len"].sum() and batch.items.height == popular.height > 0
    assert batch.events.height + batch.rejects.height == 41_828


def test_to_leave_the_core_out_later_is_a_change() -> None:
    with_core = TableSource.model_validate({"path": "x", "columns": COLUMNS, "delivery": "all", "core": {"items": 50}})
    assert dict(with_core.meaning())["source.core"] == '{"users":1,"items":50}'
    assert dict(with_core.model_copy(update={"core": None}).meaning())["source.core"] == "null"

"""Rows on their way to the buckets: what comes back is what was added, in any number of files and parts."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.refresh import spill
from flows.refresh.spill import Part, Spill, parts_of, spilled
from pipeline.contracts import RAW_EVENTS
from pipeline.ingest.ordering import bucket_of
from tests.support.logs import Log

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def batch(first: int, *files: str, request: str | None = None) -> pl.DataFrame:
    """100 rows of users ``first`` and on, in turn of each of ``files``."""
    rows = [
        {
            "user_id": first + n,
            "item_id": n,
            "occurred_at": DAY,
            "feedback": 1,
            "request_id": request,
            "file": files[n % len(files)],
            "line": n,
        }
        for n in range(100)
    ]
    return pl.DataFrame(rows, schema=RAW_EVENTS.schema)


@pytest.mark.parametrize("held_bytes", [0, 1 << 20])
def test_rows_come_back_whole_and_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_bytes: int) -> None:
    """The second batch has requests and two files, the others have neither."""
    monkeypatch.setattr(spill, "_HELD_BYTES", held_bytes)
    monkeypatch.setattr(spill, "PART_ROWS", 40)
    batches = [batch(0, "a.csv"), batch(50, "b.csv", "a.csv", request="r"), batch(0, "a.csv").clear(), batch(70, "c.csv")]
    writer = Spill(tmp_path, 2)
    for each in batches:
        writer.add(each)
    writer.close()
    everything = pl.concat(batches)
    for bucket in (0, 1):
        parts = parts_of(tmp_path, bucket, 2)
        found = [spilled(tmp_path, part) for part in parts]
        mine = everything.filter(bucket_of(pl.col("user_id"), 2) == bucket)
        assert len(parts) == -(-mine.height // 40)
        assert all(frame.equals(mine.filter(part.holds)) for part, frame in zip(parts, found, strict=True))
        assert sum(frame.height for frame in found) == mine.height
        assert max(frame.height for frame in found) < 80


def test_a_bucket_without_rows_is_one_empty_part(tmp_path: Path) -> None:
    Spill(tmp_path, 2).close()
    assert parts_of(tmp_path, 1, 2) == [Part(1, 2)]
    assert spilled(tmp_path, Part(1, 2)).equals(RAW_EVENTS.empty())


def test_a_bucket_in_parts_becomes_what_it_becomes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nights, the second with late events; each bucket of 500 rows is staged at once, then in parts of about 60."""

    def nights(folder: Path) -> tuple[list[pl.DataFrame], int]:
        folder.mkdir()
        log = Log(folder)
        first = log.stage(log.later(2), "2.csv")
        second = log.stage(pl.concat([log.rows, log.later(3)]), "1.csv", after=first)
        kinds = {"records": ["user_id", "record_index"], "state": ["user_id"], "events": ["user_id", "user_seq"]}
        frames = [pl.read_parquet(second.folder / kind / "*.parquet").sort(key) for kind, key in kinds.items()]
        return [*frames, pl.DataFrame([second.counts])], len(list((second.folder / "events").iterdir()))

    whole, n_files = nights(tmp_path / "whole")
    monkeypatch.setattr(spill, "PART_ROWS", 60)
    in_parts, n_part_files = nights(tmp_path / "parts")
    assert (n_files, n_part_files > 10, whole[-1]["n_late"][0] > 0) == (2, True, True)
    assert all(ours.equals(theirs) for ours, theirs in zip(in_parts, whole, strict=True))

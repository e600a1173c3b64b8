"""Parquet of strangers: only mapped columns are read, every type is a value or is refused by its name, no library's error gets out."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.source import RawBatch
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import TableSource

COLUMNS = {"user": "uid", "item": "iid", "time": "ts", "feedback": "did"}
LOG: dict[str, Any] = {
    "uid": pa.array([1, 2]),
    "iid": pa.array([10, 11]),
    "ts": pa.array([100, 200]),
    "did": pa.array(["1", "0"]),
}


def read(path: Path, **config: Any) -> RawBatch:
    table = TableLog(TableSource.model_validate({"path": path, "columns": COLUMNS} | config), 100)
    batches = [batch for delivery in table.deliveries() for batch in table.read(delivery)]
    return RawBatch(*(pl.concat(frames) for frames in zip(*batches, strict=True)))


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(LOG | columns), path)
    return path


def events(batch: RawBatch) -> list[tuple[Any, ...]]:
    assert batch.rejects.is_empty(), batch.rejects
    return batch.events.select("user_id", "item_id", pl.col("occurred_at").dt.epoch("s"), "feedback").rows()


UNMAPPED = {
    "bytes": pa.array([b"\xff\x00", b"x"]),
    "list": pa.array([[1], [2]]),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int8())),
    "duration": pa.array([1, 2], pa.duration("s")),
    "null": pa.nulls(2),
    "zone": pa.array([1, 2], pa.timestamp("us", "+05:30")),
    "fixed": pa.array([b"ab", b"cd"], pa.binary(2)),
    "^pattern$": pa.array([1, 2]),
}


@pytest.mark.parametrize("kind", UNMAPPED)
def test_a_column_that_no_setting_names_is_not_read(tmp_path: Path, kind: str) -> None:
    assert events(read(write(tmp_path / "log.parquet", **{kind: UNMAPPED[kind]}))) == [(1, 10, 100, 1), (2, 11, 200, 0)]


MAPPED = {
    "ids as bytes of text": {"uid": pa.array([b"1", b"2"]), "iid": pa.array([b"10", b"11"], pa.large_binary())},
    "ids as decimals": {"uid": pa.array([decimal.Decimal(1), decimal.Decimal(2)], pa.decimal128(38, 0))},
    "ids without sign": {"uid": pa.array([1, 2], pa.uint64()), "iid": pa.array([10, 11], pa.uint8())},
    "ids in a dictionary": {"uid": pa.array(["1", "2"]).dictionary_encode(), "iid": pa.array([10, 11]).dictionary_encode()},
    "answers as truth": {"did": pa.array([True, False])},
    "answers as halves": {"did": pa.array([1.0, 0.0], pa.float32())},
    "times in ns": {"ts": pa.array([100 * 10**9, 200 * 10**9], pa.timestamp("ns"))},
    "times in ms with a zone": {"ts": pa.array([100_000, 200_000], pa.timestamp("ms", "Europe/Rome"))},
    "times with an offset": {"ts": pa.array([100_000_000, 200_000_000], pa.timestamp("us", "+05:30"))},
    "texts of both sizes": {"uid": pa.array(["1", "2"], pa.large_string()), "did": pa.array(["1", "0"], pa.string_view())},
}


@pytest.mark.parametrize("kind", MAPPED)
def test_a_mapped_column_of_an_odd_type_is_read_as_what_it_says(tmp_path: Path, kind: str) -> None:
    assert events(read(write(tmp_path / "log.parquet", **MAPPED[kind]))) == [(1, 10, 100, 1), (2, 11, 200, 0)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_the_begin_of_its_day(tmp_path: Path, kind: pa.DataType) -> None:
    days = pa.array([dt.date(1970, 1, 2), dt.date(1970, 1, 3)], kind)
    assert [at for _, _, at, _ in events(read(write(tmp_path / "log.parquet", ts=days)))] == [86_400, 172_800]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"uid": pa.array([[1], [2]])}, "uid holds list"),
        ({"uid": pa.array([{"a": 1}, {"a": 2}])}, "uid holds lists or structs"),
        ({"ts": pa.array([1, 2], pa.duration("s"))}, "ts holds duration"),
        ({"ts": pa.array([1, 2], pa.time32("s"))}, "ts holds time32"),
        ({"uid": pa.array([b"ab", b"cd"], pa.binary(2))}, "uid holds fixed_size_binary"),
    ],
)
def test_a_mapped_column_that_holds_no_single_values_is_refused(tmp_path: Path, columns: dict[str, Any], told: str) -> None:
    with pytest.raises(SourceError, match=told) as refusal:
        read(write(tmp_path / "log.parquet", **columns))
    assert "\n" not in str(refusal.value)


def test_cells_that_say_nothing_are_rejected_one_by_one(tmp_path: Path) -> None:
    """Bytes that are no text, a column without any value, an id above 2^63: all are told."""
    batch = read(write(tmp_path / "a.parquet", uid=pa.array([b"\xff", b"2"])))
    assert batch.events.height == 1 and batch.rejects["line"].to_list() == [0]
    batch = read(write(tmp_path / "b.parquet", did=pa.nulls(2)))
    assert batch.events.height == 0 and batch.rejects.height == 2
    batch = read(write(tmp_path / "c.parquet", uid=pa.array([2**63 + 5, 2], pa.uint64())), ids="integer")
    assert batch.events["user_id"].to_list() == [2] and batch.rejects.height == 1


def test_columns_named_twice_or_not_at_all_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_arrays([*LOG.values(), LOG["uid"]], names=[*LOG, "uid"]), path)
    with pytest.raises(SourceError, match="names column uid twice"):
        read(path)
    pq.write_table(pa.table({name: LOG[name] for name in ("uid", "iid", "ts")}), path)
    with pytest.raises(SourceError, match="has no column did, only uid, iid, ts"):
        read(path)


def test_what_is_parquet_is_told_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    assert len(events(read(write(tmp_path / "log.csv")))) == 2
    (tmp_path / "text.parquet").write_text("uid,iid,ts,did\n1,10,100,1\n")
    with pytest.raises(SourceError, match=r"text\.parquet: no Parquet file"):
        read(tmp_path / "text.parquet")


@pytest.mark.parametrize("harm", ["footer", "half", "magic only", "encrypted", "no length"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, harm: str) -> None:
    path = write(tmp_path / "log.parquet")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "footer": whole[: -8 - (n := int.from_bytes(whole[-8:-4], "little"))] + b"\xff" * n + whole[-8:],
            "half": whole[: len(whole) // 2],
            "magic only": b"PAR1",
            "encrypted": b"PARE" + whole[4:-4] + b"PARE",
            "no length": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        }[harm]
    )
    with pytest.raises(SourceError, match=r"log\.parquet: ") as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


def test_no_rows_are_told_as_such(tmp_path: Path) -> None:
    pq.write_table(pa.table(LOG)[:0], tmp_path / "log.parquet")
    with pytest.raises(EmptyFileError, match="no rows"):
        read(tmp_path / "log.parquet")


def test_an_item_file_with_cells_that_are_no_attributes_leaves_those_out(tmp_path: Path) -> None:
    write(tmp_path / "log.parquet")
    pq.write_table(
        pa.table(
            {"id": [10, 11], "price": [1.5, 2.0], "photo": [b"\xff\xd8", b"\x00"], "tags": [["a"], ["b"]], "on": [True, None]}
        ),
        tmp_path / "items.parquet",
    )
    batch = read(tmp_path / "log.parquet", items={"path": tmp_path / "items.parquet", "columns": {"item": "id"}})
    assert batch.items["attributes"].to_list() == ['{"price":1.5,"on":"true"}', '{"price":2.0}']

"""Malformed rows and files drawn from the contract: every bad row is told with a reason, every good one is taken, none is lost."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contracts import RAW_EVENTS, REJECTS, USER_STATE
from pipeline.errors import SourceError
from pipeline.ingest.ordering import Origin, order_events
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import EventColumns, TableSource

COLUMNS = EventColumns(user="user", item="item", time="ts", feedback="liked", value="value", position="place", propensity="p")
# What breaks each cell, by the contract of its column; a good row is "7,12,1700000000,1,3.5,0,0.5".
GOOD = ["7", "12", "1700000000", "1", "3.5", "0", "0.5"]
BREAKS = [
    (0, ["", "x", "1.5", "9" * 30, "NaN", " ", "\u0661x"]),
    (1, ["", "x", "1e3x", "-", "9" * 30, "∞"]),
    (2, ["", "yesterday", "-1", "9" * 18, "1e400", "2024-01-01"]),
    (3, ["", "2", "yes", "-1", "1.5", "on"]),
    (4, ["x", "inf", "nan", "1e999"]),
    (5, ["x", "-1", "70000", "0.5"]),
    (6, ["x", "0", "-0.1", "1.01", "nan"]),
]
bad_rows = st.one_of(
    *[st.sampled_from(texts).map(lambda text, place=place: ",".join([*GOOD[:place], text, *GOOD[place + 1 :]])) for place, texts in BREAKS],
    st.integers(1, 6).map(lambda n: ",".join(GOOD[:n])),
    st.integers(1, 4).map(lambda n: ",".join([*GOOD, *["x"] * n])),
    st.just('7,"12,1700000000,1,3.5,0,0.5'),
    st.just('7,12"x",1700000000,1,3.5,0,0.5,"'),
)  # fmt: skip


def good_row(n: int) -> str:
    return f"{n % 5},{n % 7},{1_700_000_000 + n},{n % 2},{n % 5}.5,{n % 10},0.5"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(bad_rows, min_size=20, max_size=20), st.randoms(use_true_random=False))
def test_a_thousand_malformed_rows_are_all_told_and_no_good_one_is_lost(tmp_path: Path, bad: list[str], random) -> None:  # type: ignore[no-untyped-def]
    """Fifty files of twenty bad rows strewn among thirty good ones."""
    lines = [*((row, False) for row in bad), *((good_row(n), True) for n in range(30))]
    random.shuffle(lines)
    path = tmp_path / "log.csv"
    path.write_text("user,item,ts,liked,value,place,p\n" + "".join(f"{row}\n" for row, _ in lines))
    source = TableLog(TableSource(path=path, columns=COLUMNS, ids="integer"), chunk_rows=16)
    events, rejects = [RAW_EVENTS.empty()], [REJECTS.empty()]
    for batch in source.read(source.deliveries()[0]):
        events.append(batch.events)
        rejects.append(batch.rejects)
    taken, told = pl.concat(events), pl.concat(rejects)
    expected = {number for number, (_, is_good) in enumerate(lines, start=2) if not is_good}
    assert set(told["line"]) == expected, [lines[line - 2] for line in set(told["line"]) ^ expected]
    assert taken.height + told.height == len(lines)
    assert (told["reason"].str.len_chars() > 0).all() and (told["file"] == "log.csv").all()
    ordered = order_events(taken, USER_STATE.empty(), Origin("shop", "i1"), stored=lambda keys: keys.clear())
    assert ordered.events.height + ordered.rejects.height + ordered.n_known == 30


def mutated(content: bytes, kind: str, place: float, byte: int) -> bytes:
    at = int(place * (len(content) - 1))
    return {
        "cut": content[:at],
        "flip": content[:at] + bytes([content[at] ^ byte]) + content[at + 1 :],
        "insert": content[:at] + bytes([byte]) * 9 + content[at:],
        "twice": content + content[:at],
        "empty": b"",
    }[kind]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["cut", "flip", "insert", "twice", "empty"]), st.floats(0, 1), st.integers(1, 255))
def test_a_malformed_file_is_refused_in_one_line_or_read_with_nothing_lost(
    tmp_path: Path, ending: str, kind: str, place: float, byte: int
) -> None:
    """Whatever is done to the bytes, no other error comes out, and the rows that come out fit their contract."""
    text = "user,item,ts,liked,value,place,p\n" + "".join(good_row(n) + "\n" for n in range(40))
    path = tmp_path / f"log.{ending}"
    if ending == "parquet":
        pl.read_csv(text.encode()).write_parquet(path)
    else:
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if ending == "csv.gz" else text.encode())
    path.write_bytes(mutated(path.read_bytes(), kind, place, byte))
    try:
        source = TableLog(TableSource(path=path, columns=COLUMNS, ids="integer"), chunk_rows=16)
        batches = list(source.read(source.deliveries()[0]))
    except SourceError as error:
        assert "\n" not in str(error) and str(path.name) in str(error)
        return
    for batch in batches:
        assert batch.events.schema == RAW_EVENTS.schema and batch.rejects.schema == REJECTS.schema
        assert batch.rejects["reason"].null_count() == 0

"""Forms of logs beyond a plain table: packed files, zips, JSON lines, paths, lists, ids of several columns, rules and times."""

import bz2
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipeline.contracts import USER_STATE
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.ordering import Origin, order_events
from pipeline.ingest.table_config import TableSource
from tests.support.tables import read_source

COLUMNS = {"user": "u", "item": "i", "time": "t", "feedback": "y"}
LOG = "u,i,t,y\n1,10,100,1\n1,11,200,0\n2,10,50,1\n"
ROWS = [(1, 10, 1), (1, 11, 0), (2, 10, 1)]


def events(path: Path, **config: Any) -> list[tuple[Any, ...]]:
    return read_source(path=path, **({"columns": COLUMNS} | config)).events.select("user_id", "item_id", "feedback").rows()


def zipped(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)
    return path


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


# --- packed files


@pytest.mark.parametrize(
    "pack", [bz2.compress, zstd, lambda data: zstd(data[:8]) + zstd(data[8:])], ids=["bz2", "zst", "zst of two frames"]
)
def test_bzip2_and_zstandard_are_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log").write_bytes(pack(LOG.encode()))
    assert events(tmp_path / "log") == ROWS


@pytest.mark.parametrize("pack", [bz2.compress, zstd], ids=["bz2", "zst"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:14] + b"\0" * 40], ids=["cut", "broken"]
)
def test_damaged_packed_files_are_refused(
    tmp_path: Path, pack: Callable[[bytes], bytes], damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "log").write_bytes(damage(pack(LOG.encode() * 500)))
    with pytest.raises(SourceError, match="log: truncated or damaged"):
        events(tmp_path / "log")


# --- zips


def test_members_of_a_zip_are_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    """day_10 comes after day_2; what is empty is passed over; lines are counted by member."""
    path = zipped(tmp_path / "logs.zip", d__day_10=LOG[:8] + "9,10,1,1\n", d__day_2=LOG, d__day_3="", notes="no log")
    batch = read_source(path=path, member="d/*.csv", columns=COLUMNS)
    assert batch.events.select("user_id", "file", "line").rows() == [
        (1, "logs.zip/d/day_2.csv", 2),
        (1, "logs.zip/d/day_2.csv", 3),
        (2, "logs.zip/d/day_2.csv", 4),
        (9, "logs.zip/d/day_10.csv", 2),
    ]
    assert batch.lines.filter(pl.col("content") == "nothing")["file"].to_list() == ["logs.zip/d/day_3.csv"]


def test_the_only_member_of_a_zip_needs_no_name(tmp_path: Path) -> None:
    assert events(zipped(tmp_path / "log.zip", log=LOG)) == ROWS


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, r'a zip of 2 files \(a.csv, b.csv\); say which to read, such as member = "\*\.csv"'),
        ({"member": "c*"}, r'no member matches member = "c\*", it holds a.csv, b.csv'),
        ({"member": "b.csv"}, "its b.csv is empty, 0 bytes"),
    ],
)
def test_a_zip_of_which_it_is_not_clear_what_is_meant_is_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    path = zipped(tmp_path / "two.zip", a=LOG, b="")
    with pytest.raises((SourceError, EmptyFileError), match=message):
        events(path, **config)


def test_a_damaged_or_locked_zip_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a zip without any file"):
        events(zipped(tmp_path / "log.zip"))
    path = zipped(tmp_path / "log.zip", log=LOG * 50)
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    with pytest.raises(SourceError, match="truncated or damaged"):
        events(path)
    locked = bytearray(whole)
    locked[6] |= 1  # the flag of encryption, of the member and of the list of members
    locked[whole.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(SourceError, match=r"its log.csv cannot be opened \(.*password"):
        events(path)
    odd = bytearray(whole)
    odd[8] = odd[whole.index(b"PK\1\2") + 10] = 97  # a way of packing that Python does not know
    path.write_bytes(odd)
    with pytest.raises(SourceError, match="packed in a way that is not known here"):
        events(path)


# --- columns of the path


def test_columns_of_the_path_are_read_as_if_they_stood_in_the_file(tmp_path: Path) -> None:
    for policy, campaign in (("bts", "men"), ("random", "a%2Fb")):
        folder = tmp_path / f"policy={policy}" / f"campaign={campaign}"
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text(LOG)
    batch = read_source(
        path=tmp_path / "*" / "*" / "*.csv",
        path_columns="policy={policy}/campaign={campaign}/*.csv",
        columns=COLUMNS | {"policy": "policy", "session": "campaign"},
    )
    assert batch.events.select("behavior_policy_id", "session_id").unique().sort("behavior_policy_id").rows() == [
        ("bts", "men"),
        ("random", "a/b"),
    ]


def test_a_name_that_comes_twice_in_a_path_stands_for_the_same(tmp_path: Path) -> None:
    path = zipped(tmp_path / "log.zip", bts__men__men=LOG, bts__men__women=LOG)
    columns = COLUMNS | {"policy": "policy"}
    template = "{policy}/{campaign}/{campaign}.csv"
    assert events(path, member="*/men.csv", path_columns=template, columns=columns) == ROWS
    with pytest.raises(SourceError, match=r"women.csv: does not end like path_columns = '\{policy\}"):
        events(path, member="*.csv", path_columns=template, columns=columns)


def test_a_column_both_in_the_path_and_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "u=7.csv").write_text(LOG)
    with pytest.raises(SourceError, match="column u is in the file and in its path"):
        events(tmp_path / "u=7.csv", path_columns="u={u}.csv")


# --- JSON lines


def test_json_lines_with_nested_fields_give_the_same_rows(tmp_path: Path) -> None:
    """Numbers keep their digits, fields are found by dotted names, unknown fields are not read."""
    rows = [{"who": {"id": user}, "i": item, "t": 100.5, "y": bool(answer), "text": "x\n"} for user, item, answer in ROWS]
    (tmp_path / "log.jsonl").write_text("\ufeff" + "\r\n".join(map(json.dumps, rows)) + "\r\n\r\n", newline="")
    batch = read_source(path=tmp_path / "log.jsonl", columns=COLUMNS | {"user": "who.id"})
    assert batch.events.select("user_id", "item_id", "feedback").rows() == ROWS
    assert batch.events["occurred_at"][0] == datetime(1970, 1, 1, 0, 1, 40, 500_000, tzinfo=UTC)
    assert batch.lines.select(pl.col("n_lines", "n_blank", "n_rows").sum()).row(0) == (4, 1, 3)


def test_a_json_line_that_is_cut_off_or_holds_a_list_is_rejected_with_its_number(tmp_path: Path) -> None:
    good = [json.dumps({"u": n, "i": n, "t": n, "y": 1}) for n in range(1, 6)]
    bad = ['{"u": 1, "i": 2, "t": 3', '{"u": [1], "i": 2, "t": 3, "y": 1}', "[1, 2]", '{"u": 1, "i": null, "t": 3, "y": 1}']
    bad += [
        '{"u": "\\ud800", "i": 2, "t": 3, "y": 1}',
        '{"u": "\\u0000", "i": 2, "t": 3, "y": 1}',
        '{"u": NaN, "i": 2, "t": 3, "y": 1}',
    ]
    bad += ["[" * 100_000]
    (tmp_path / "log.jsonl").write_text("\n".join([*good, *bad]) + "\n")
    rejects = read_source(path=tmp_path / "log.jsonl", columns=COLUMNS, ids="integer").rejects.sort("line")
    assert rejects.select("line", "reason").rows() == [
        (6, "no whole JSON object"),
        (7, "u is not a single value"),
        (8, "no whole JSON object"),
        (9, "item id is missing"),
        (10, "not readable as text in the file's encoding"),
        (11, "holds null bytes"),
        (12, "no whole JSON object"),
        (13, "no whole JSON object"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"2": [1], "3": [', "no whole JSON object"),
        ('{"2": 1, "2": 2}', "1 of 2 keys come again"),
        ('{"2": {"a": 1}, "3": [{"a": 1}]}', "2 of its 2 values are objects, the first of '2'"),
        ("{}", "no rows; expected a JSON object of ids; the catalogue would be empty"),
        ("[1]", "no JSON object of ids"),
    ],
)
def test_a_map_of_items_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "items.json").write_text(text)
    (tmp_path / "log.csv").write_text(LOG)
    items = {"path": tmp_path / "items.json", "format": "map", "columns": {"item": "key", "categories": ["value"]}}
    with pytest.raises(SourceError, match=message):
        events(tmp_path / "log.csv", items=items)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n' * 3, r"has no column u, i, t, y, only a"),
        ('{"u": {"id": 1}, "i": 1, "t": 1, "y": 1}\n', "u is not a single value"),
        ('{"u": 1,\n "i": 2}\n' * 2, r"4 of its first 4 lines are no JSON object"),
    ],
)
def test_json_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(SourceError, match=message) if "single" not in message else pytest.raises(SourceError):
        events(tmp_path / "log.json")


def test_items_of_json_have_lists_of_categories_and_flat_attributes(tmp_path: Path) -> None:
    item = {
        "asin": "10",
        "title": "Tea",
        "categories": [["Food", "Hot, dark"]],
        "price": 2.5,
        "rank": {"Food": 3},
        "also": ["a", "b"],
    }
    (tmp_path / "items.jsonl").write_text(json.dumps(item) + "\n" + "{'asin': '11', 'title': \"It's\", 'price': 1.50}\n")
    (tmp_path / "log.csv").write_text(LOG)
    items = read_source(
        path=tmp_path / "log.csv",
        columns=COLUMNS,
        items={
            "path": tmp_path / "items.jsonl",
            "columns": {"item": "asin", "title": "title", "categories": ["categories"]},
            "may_lack": ["categories"],
        },
    ).items
    assert items.select("item_id", "title", "categories").rows() == [(10, "Tea", ["Food", "Hot, dark"]), (11, "It's", [])]
    assert [json.loads(text) for text in items["attributes"]] == [{"price": 2.5, "rank.Food": 3, "also": "a, b"}, {"price": 1.5}]


# --- lists in cells

SLATES = {"user": "u", "item": "shown", "time": "t", "feedback": "liked"}
LISTS = {"lists": ["item", "feedback"], "list_separator": ",", "separator": "@", "quote": ""}


def test_a_row_that_is_a_slate_becomes_an_event_for_each_item(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u@t@shown@liked\n1@5@28,32,5@1,0,1\n2@6@[7, 8]@[0, 1]\n")
    batch = read_source(path=tmp_path / "log.csv", columns=SLATES, **LISTS)
    assert batch.events.select("user_id", "item_id", "feedback", "position", "request_id", "line").rows() == [
        (1, 28, 1, 0, "log.csv:2", 2),
        (1, 32, 0, 1, "log.csv:2", 2),
        (1, 5, 1, 2, "log.csv:2", 2),
        (2, 7, 0, 0, "log.csv:3", 3),
        (2, 8, 1, 1, "log.csv:3", 3),
    ]
    n_lines, n_header, n_rows = batch.lines.select(pl.col("n_lines", "n_header", "n_rows").sum()).row(0)
    assert (n_lines, n_rows) == (n_header + 5, 5)


def test_a_slate_of_unequal_lists_and_an_empty_place_go_to_quarantine(tmp_path: Path) -> None:
    good = "".join(f"{n}@5@1,2@1,0\n" for n in range(1, 9))
    (tmp_path / "log.csv").write_text(f"u@t@shown@liked\n{good}9@5@1,2,3@1,0\n9@5@1,,3@1,0,1\n9@5@@\n")
    batch = read_source(path=tmp_path / "log.csv", columns=SLATES, ids="integer", **LISTS)
    assert batch.rejects.sort("line").select("line", "raw", "reason").rows() == [
        (10, "9@5@1,2,3@1,0", "lists of different lengths"),
        (11, "9@5@1,,3@1,0,1", "item id is missing"),
        (12, "9@5@@", "item id is missing"),
    ]
    assert batch.events.height == 16 + 2


def test_lists_of_parquet_and_json_need_no_separator(tmp_path: Path) -> None:
    rows = [{"u": 1, "t": 5, "s": {"shown": [28, 32]}, "liked": [1, 0]}, {"u": 2, "t": 6, "s": {"shown": [7]}, "liked": [None]}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    config = {"columns": SLATES | {"item": "s.shown"}, "lists": ["item", "feedback"], "blank_is_no": True}
    for name in ("log.jsonl", "log.parquet"):
        assert events(tmp_path / name, **config) == [(1, 28, 1), (1, 32, 0), (2, 7, 0)]


def test_an_element_of_a_json_list_may_hold_a_blank(tmp_path: Path) -> None:
    rows = [{"u": 1, "t": at, "s": ["a b", "c,d"], "liked": [1, 0]} for at in range(3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = events(tmp_path / "log.jsonl", columns=SLATES | {"item": "s"}, lists=["item", "feedback"])
    assert [feedback for _, _, feedback in found] == [1, 0] * 3


def test_sequences_are_ordered_positives(tmp_path: Path) -> None:
    """A user without items is no row; the order is the place."""
    (tmp_path / "log.txt").write_text("1 10 11  12\n\n2 10\n3\n4 12 10")
    config = {"format": "sequences", "positive": "all", "lists": ["item"], "list_separator": " "}
    batch = read_source(path=tmp_path / "log.txt", columns={"user": "user", "item": "items"}, **config)
    assert batch.events.select("user_id", "item_id", "order", "feedback").rows() == [
        (1, 10, 0, 1),
        (1, 11, 1, 1),
        (1, 12, 2, 1),
        (2, 10, 0, 1),
        (4, 12, 0, 1),
        (4, 10, 1, 1),
    ]
    assert batch.rejects.select("line", "raw", "reason").rows() == [(4, "3", "item id is missing")]
    assert order_events(batch.events, USER_STATE.empty(), Origin("s", "i")).events.height == 6


# --- ids, answers, times


def test_ids_of_several_columns_are_kept_apart(tmp_path: Path) -> None:
    """a|b with c is not a with b|c, and a blank part is no id."""
    (tmp_path / "log.csv").write_text("a,b,i,t,y\na|b,c,1,1,1\na,b|c,1,2,1\nx,,1,3,1\nx, y ,1,4,1\n")
    batch = read_source(path=tmp_path / "log.csv", columns=COLUMNS | {"user": ["a", "b"]}, ids="text")
    assert batch.users["raw_id"].sort().to_list() == ["a\\|b|c", "a|b\\|c", "x|y"]
    assert batch.rejects.select("line", "reason").rows() == [(4, "user id is missing")]


def test_a_blank_answer_is_a_no_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i,t,y\n1,10,1,buy\n1,11,2,\n1,12,3,view\n")
    config = {"positive": ["buy"]}
    assert read_source(path=tmp_path / "log.csv", columns=COLUMNS, **config).rejects["reason"].to_list() == [
        "feedback is missing"
    ]
    assert events(tmp_path / "log.csv", blank_is_no=True, **config) == [(1, 10, 1), (1, 11, 0), (1, 12, 0)]


def test_a_rule_decides_and_the_answer_is_kept(tmp_path: Path) -> None:
    """Watched above 80 %, or clicked; a blank makes the rule unknown."""
    (tmp_path / "log.csv").write_text("u,i,t,click,play,length\n1,1,1,0,90,100\n1,2,2,1,0,100\n1,3,3,0,10,100\n1,4,4,0,,100\n")
    config = {
        "columns": COLUMNS | {"feedback": "click"},
        "positive_where": "click = 1 OR play > 0.8 * length",
    }
    batch = read_source(path=tmp_path / "log.csv", **config)
    assert batch.events["feedback"].to_list() == [1, 1, 0]
    assert batch.rejects["reason"].to_list() == ["positive_where is neither true nor false of it"]
    assert events(tmp_path / "log.csv", blank_is_no=True, **config)[3] == (1, 4, 0)


def test_answers_are_graded_and_a_log_may_hold_positives_only(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i,t,y\n1,10,1,pv\n1,11,2,buy\n1,12,3,share\n")
    graded = read_source(path=tmp_path / "log.csv", columns=COLUMNS, positive=["buy"], grades={"pv": 0, "buy": 3})
    assert graded.events.select("feedback", "value", "behavior").rows() == [(0, 0.0, "pv"), (1, 3.0, "buy")]
    assert graded.rejects["reason"].to_list() == ["feedback is not an answer of source.grades"]
    columns = {name: column for name, column in COLUMNS.items() if name != "feedback"}
    assert [row[2] for row in events(tmp_path / "log.csv", columns=columns, positive="all")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "config", "expected"),
    [
        ("31/12/2020 23:05", {"time_format": "%d/%m/%Y %H:%M"}, datetime(2020, 12, 31, 23, 5)),
        ("31/12/2020 23", {"time_format": "%d/%m/%Y %H"}, datetime(2020, 12, 31, 23)),
        (
            "12/31/2020 9:05:58 PM",
            {"time_format": "%m/%d/%Y %I:%M:%S %p", "utc_offset": "+08:00"},
            datetime(2020, 12, 31, 13, 5, 58),
        ),
        ("20201231", {"time_format": "%Y%m%d", "utc_offset": "-05:30"}, datetime(2020, 12, 31, 5, 30)),
        ("2020-12-31 23:05", {"time_unit": "iso", "utc_offset": "+08:00"}, datetime(2020, 12, 31, 15, 5)),
        ("2020-12-31T23:05:00Z", {"time_unit": "iso", "utc_offset": "+08:00"}, datetime(2020, 12, 31, 23, 5)),
        ("2020-12-31", {"time_unit": "iso", "utc_offset": "+08:00"}, datetime(2020, 12, 30, 16, 0)),
        ("1609455900", {"utc_offset": "+08:00"}, datetime(2020, 12, 31, 23, 5)),
    ],
)
def test_times_are_read_by_format_and_offset(tmp_path: Path, text: str, config: dict[str, Any], expected: datetime) -> None:
    (tmp_path / "log.csv").write_text(f"u;i;t;y\n1;10;{text};1\n")
    batch = read_source(path=tmp_path / "log.csv", columns=COLUMNS, separator=";", **config)
    assert batch.events["occurred_at"].to_list() == [expected.replace(tzinfo=UTC)]


def test_rows_of_other_days_go_to_quarantine(tmp_path: Path) -> None:
    """Days of UTC+8: the 25th begins at 16:00 of the 24th."""
    times = ["2017-11-24T15:59:59Z", "2017-11-24T16:00:00Z", "2017-12-03T15:59:59Z", "2017-12-03T16:00:00Z"]
    (tmp_path / "log.csv").write_text("u,i,t,y\n" + "".join(f"1,{n},{text},1\n" for n, text in enumerate(times)))
    days = {"time_unit": "iso", "utc_offset": "+08:00", "first_day": "2017-11-25", "last_day": "2017-12-03"}
    batch = read_source(path=tmp_path / "log.csv", columns=COLUMNS, **days)
    assert batch.events["item_id"].to_list() == [1, 2]
    assert batch.rejects["line"].to_list() == [2, 5]


def test_typed_headers_are_read_without_their_types_unless_they_are_mapped_with_them(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("u:token\ti:token\tt:float\ty:float\n1\t10\t5\t1\n")
    assert events(tmp_path / "x.inter") == [(1, 10, 1)]
    typed = {"user": "u:token", "item": "i:token", "time": "t:float", "feedback": "y:float"}
    assert events(tmp_path / "x.inter", columns=typed) == [(1, 10, 1)]


def test_a_column_that_a_file_may_lack_is_empty(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(LOG)
    columns = COLUMNS | {"policy": "p"}
    with pytest.raises(SourceError, match="has no column p"):
        events(tmp_path / "1.csv", columns=columns)
    assert events(tmp_path / "1.csv", columns=columns, may_lack=["p"]) == ROWS
    pl.read_csv(io.StringIO(LOG)).write_parquet(tmp_path / "2.parquet")
    assert events(tmp_path / "2.parquet", columns=columns, may_lack=["p"]) == ROWS


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"utc_offset": "8"}, r"an offset is written \+08:00"),
        ({"time_format": "%d/%m"}, "no format of dates"),
        ({"time_format": "%Q"}, "no format of dates"),
        ({"positive_where": "SELECT 1"}, "no SQL condition"),
        ({"positive_where": "a + 1"}, "write one on columns of the file"),
        ({"positive_where": "a > avg(a)"}, "asks of other rows too"),
        ({"positive_where": "1 = 1"}, "write one on columns of the file"),
        ({"path_columns": "day/*.csv"}, "path_columns names columns in braces"),
        ({"first_day": "2020-01-02", "last_day": "2020-01-01"}, "first_day is after last_day"),
        ({"lists": ["feedback"]}, "lists are of items"),
        ({"lists": ["item", "value"]}, "lists names value, which is not mapped"),
        ({"list_separator": ","}, "are of lists"),
        ({"lists": ["item"], "answer_after": "-"}, "answer_after and columns.feedback are both given"),
        ({"format": "sequences"}, r'set lists = \["item"\]'),
        ({"positive": "all", "positive_above": 3}, "one decides"),
        ({"positive": ["1"], "positive_where": "a = 1"}, "one decides"),
        ({"grades": {"a": 1}, "columns": COLUMNS | {"value": "v"}}, "grades give the answers"),
        ({"columns": COLUMNS | {"user": []}}, "at least 1 item"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TableSource.model_validate({"path": "x", "columns": COLUMNS} | config)

"""A configuration for a log that nobody described: the right settings, honest doubts, and a line for what is no log."""

import gzip
import json
import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.plan import plan_of
from pipeline.ingest.guess.propose import Proposal, propose
from pipeline.ingest.guess.trial import section_of, tried

START = 1_600_000_000  # 2020-09-13 12:26:40 UTC
N_ROWS = 120
Row = tuple[str, str, int, bool]
# User u000 … u005 meets item 00000 … 00010 an hour and a day apart; every third is liked.
ROWS: list[Row] = [(f"u{at % 6:03d}", f"{at % 11:05d}", START + 90_000 * at, at % 3 == 0) for at in range(N_ROWS)]


def write(path: Path, header: str, row: Callable[[Row], str], encoding: str = "utf-8") -> Path:
    text = (header + "\n" if header else "") + "".join(row(each) + "\n" for each in ROWS)
    path.write_bytes(text.encode(encoding))
    return path


def proposed(*files: Path) -> tuple[dict[str, Any], Proposal]:
    """The section of the source and all else of a proposal that was read as TOML."""
    found = propose(files, files[0].parent)
    return tomllib.loads(found.text)["source"], found


def day(at: int, form: str) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(form)


def zoned(at: int) -> str:
    return datetime.fromtimestamp(at, timezone(timedelta(hours=2))).isoformat()


CASES: dict[str, tuple[str, str, Callable[[Row], str], dict[str, Any]]] = {
    "semicolons": ("a.csv", "customer;product;clicked;at", lambda r: f"{r[0]};{r[1]};{int(r[3])};{r[2]}", {"separator": ";", "time_unit": "s"}),
    "tabs and ms": ("a.txt", "user_id\titem_id\tts\tlabel", lambda r: f"{r[0]}\t{r[1]}\t{r[2]}000\t{int(r[3])}", {"separator": "\t", "time_unit": "ms"}),
    "words and zones": (
        "a.log",
        "visitor|sku|event|event_time",
        lambda r: f"{r[0]}|{r[1]}|{'purchase' if r[3] else 'view'}|{zoned(r[2])}",
        {"separator": "|", "time_unit": "iso", "positive": ["purchase"]},
    ),
    "days first": (
        "a.csv",
        "uid,iid,when,click",
        lambda r: f"{r[0]},{r[1]},{day(r[2], '%d/%m/%Y %H:%M')},{int(r[3])}",
        {"time_format": "%d/%m/%Y %H:%M"},
    ),
    "stars": ("a.csv", "user,item,time,rating", lambda r: f"{r[0]},{r[1]},{r[2]},{5 if r[3] else 2}", {"positive_above": 3.0}),
    "two colons": ("a.dat", "", lambda r: f"{r[0]}::{r[1]}::{5 if r[3] else 3}::{r[2]}", {"separator": "::", "quote": "", "has_header": False}),
    "texts of two lines": (
        "a.csv",
        "user,item,comment,time,click",
        lambda r: f'{r[0]},{r[1]},"so, so\nand ""more""",{r[2]},{int(r[3])}',
        {"multiline": True},
    ),
    "nested JSON": (
        "a.jsonl",
        "",
        lambda r: json.dumps({"who": {"id": r[0]}, "item_id": r[1], "ts": r[2], "clicked": r[3]}),
        {"positive": ["true"], "time_unit": "s"},
    ),
    "no such names": ("a.csv", "a;b;c;d", lambda r: f"{r[0]};{r[1]};{r[2]};{int(r[3])}", {"separator": ";", "positive": "all"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_log_is_read_as_it_is_written(tmp_path: Path, case: str) -> None:
    name, header, row, expected = CASES[case]
    source, found = proposed(write(tmp_path / name, header, row))
    assert {key: source.get(key) for key in expected} == expected
    trial = found.trial
    n_positive = N_ROWS if source.get("positive") == "all" else N_ROWS // 3
    assert (trial.n_events, trial.n_rejected, trial.n_positive, trial.n_users, trial.n_items) == (N_ROWS, 0, n_positive, 6, 11)
    first = trial.rows.row(0, named=True)
    assert (first["user"], first["item"]) == ("u000", "00000")  # leading zeros stay
    assert trial.rows.height == 10 and first["occurred_at"].date() == datetime.fromtimestamp(START, UTC).date()


@pytest.mark.parametrize(("encoding", "letter"), [("latin-1", "é"), ("cp1252", "€")])
def test_an_encoding_is_found_and_doubted(tmp_path: Path, encoding: str, letter: str) -> None:
    log = write(tmp_path / "a.csv", "user,item,name,time,click", lambda r: f"{r[0]},{r[1]},{letter},{r[2]},{int(r[3])}", encoding)
    source, found = proposed(log)
    assert source["encoding"] == encoding and any("no UTF-8" in doubt for doubt in found.doubts)


def test_an_order_stands_for_times(tmp_path: Path) -> None:
    log = write(
        tmp_path / "a.csv", "user,item,rank,liked", lambda r: f"{r[0]},{r[1]},{(r[2] - START) // 90_000 // 6},{int(r[3])}"
    )
    source, found = proposed(log)
    assert source["columns"]["order"] == "rank" and "time" not in source["columns"]
    assert any("place of a row within its user" in doubt for doubt in found.doubts)


def test_day_and_month_that_look_alike_are_doubted(tmp_path: Path) -> None:
    log = write(tmp_path / "a.csv", "user,item,date,click", lambda r: f"{r[0]},{r[1]},0{1 + r[2] % 9}/05/2020,{int(r[3])}")
    assert any("day and month cannot be told apart" in doubt for doubt in proposed(log)[1].doubts)


def test_parquet_packed_and_slates_are_read(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user_id": [r[0] for r in ROWS],
            "item_id": [r[1] for r in ROWS],
            "at": [r[2] for r in ROWS],
            "click": [r[3] for r in ROWS],
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(frame.write_csv().encode()))
    for log in (tmp_path / "a.parquet", packed):
        assert proposed(log)[1].trial.n_positive == N_ROWS // 3
    slates = write(
        tmp_path / "c.jsonl", "", lambda r: json.dumps({"user": r[0], "items": [r[1], "x" + r[1]], "clicks": [1, 0], "ts": r[2]})
    )
    source, found = proposed(slates)
    assert source["lists"] == ["item", "feedback"] and tomllib.loads(found.text)["records"]["slate_size"] == 2
    assert found.trial.n_events == 2 * N_ROWS and found.trial.n_positive == N_ROWS


def test_files_of_a_log_and_its_lists_are_told_apart(tmp_path: Path) -> None:
    logs = [
        write(tmp_path / f"day{number}.csv", "user,item,ts,click", lambda r: f"{r[0]},{r[1]},{r[2]},{int(r[3])}")
        for number in (1, 2)
    ]
    items, users = tmp_path / "catalogue.csv", tmp_path / "people.csv"
    items.write_text("item,title,genres\n" + "".join(f"{item:05d},Thing {item},a|b\n" for item in range(11)))
    users.write_text("user,age\n" + "".join(f"u{user:03d},{user}\n" for user in range(6)))
    source, found = proposed(items, logs[0], users, logs[1])
    assert (source["path"], source["items"]["path"], source["users"]["path"]) == ("day*.csv", "catalogue.csv", "people.csv")
    assert source["items"]["columns"] == {"item": "item", "title": "title", "categories": ["genres"]}
    assert source["items"]["category_separator"] == "|" and len(found.log) == 2
    with pytest.raises(SourceError, match="would match 1 more files, such as day3.csv"):
        (tmp_path / "day3.csv").write_text("x")
        propose(logs, tmp_path)


def test_what_was_refused_is_counted_as_a_doubt(tmp_path: Path) -> None:
    log = write(
        tmp_path / "a.csv", "user,item,ts,click", lambda r: f"{r[0]},{r[1]},{r[2]},{'' if r[1] == '00003' else int(r[3])}"
    )
    found = proposed(log)[1]
    assert found.trial.n_rejected == 11 and any("11 of 120 rows will be refused" in doubt for doubt in found.doubts)


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "empty, 0 bytes"),
    "header alone": ("a.csv", b"user,item,ts,click\n", "a header and no rows"),
    "binary": ("a.bin", bytes(range(256)) * 9, "holds null bytes"),
    "prose": ("a.txt", b"# Title\n\nSome words, and more.\nNo table at all\n", "no table"),
    "array": ("a.json", b'[{"user": 1}]', "a JSON array"),
    "items": ("a.csv", b"product_id,name\n1,a\n2,b\n", "a list of items, and no log: it lacks a column of users"),
    "users": ("a.csv", b"customer_id,age\n1,30\n2,40\n", "a list of users, and no log: it lacks a column of items"),
    "no time": ("a.csv", b"user,item,click\na,b,1\na,c,0\na,b,0\n", "lacks a column of times, or of the order"),
    "cut": ("a.csv.gz", gzip.compress(b"user,item,ts,click\na,b,1600000000,1\n" * 50)[:60], "truncated or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_log_is_refused_in_a_line(tmp_path: Path, case: str) -> None:
    name, content, expected = REFUSED[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=expected) as raised:
        propose([tmp_path / name], tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_and_a_wrong_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a folder; name its files"):
        propose([tmp_path], tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        propose([tmp_path / "nothing.csv"], tmp_path)


def test_two_logs_of_other_forms_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", "user,item,ts,click", lambda r: f"{r[0]},{r[1]},{r[2]},{int(r[3])}")
    second = write(tmp_path / "b.csv", "user;item;ts;rating", lambda r: f"{r[0]};{r[1]};{r[2]};{int(r[3])}")
    with pytest.raises(SourceError, match="2 logs of different columns or forms"):
        propose([first, second], tmp_path)


DATA = Path(os.environ.get("HSRL_SHARED", "../shared")).absolute() / "data"
# Files → kind, events, positives; None where the file is no log. The counts are those of the note that lies with the files.
SHARED: dict[str, tuple[str, int, int] | None] = {
    "amazon-beauty/Beauty.txt.gz": ("sequences", 198_502, 198_502),
    "amazon-beauty/Beauty_item2attributes.json.gz": None,
    "bigdatacup2021/item_info.csv": None,
    "kuairand/kuairand27k_like_hate_subset.tsv.gz": ("kuairand", 41_828, 27_484),
    "kuairand/kuairand_sample_200rows.csv.gz": None,
    "kuairand/user_features_pure.csv.gz": None,
    "kuairand/video_features_basic_pure.csv.gz": None,
    "ml-100k/ml-100k.zip": ("movielens", 100_000, 55_375),
    "ml-1m/ml-1m-all-ratings-rank-not-timestamp.dat.xz": ("table", 1_000_209, 575_281),
    "ml-1m/ml-1m-first-2999-users.zip": ("movielens", 487_650, 279_124),
    "obd/obd.zip": ("obd", 60_000, 287),
    "rl4rs/item_info.csv": None,
    "rl4rs/rl4rs_b_test.csv": ("rl4rs", 153, 113),
    "rl4rs/rl4rs_b_train.csv": ("rl4rs", 414, 285),
    "taobao/UserBehavior_prefix.csv.gz": ("taobao", 84_440, 8_603),
}


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize("name", SHARED)
def test_every_raw_file_is_read_or_refused_in_a_line(name: str) -> None:
    expected = SHARED[name]
    if expected is None:
        with pytest.raises(SourceError, match="no log|no table|lacks a column of times") as raised:
            plan_of([DATA / name])
        assert "\n" not in str(raised.value)
        return
    plan = plan_of([DATA / name])
    plan.source["name"] = "log"
    trial = tried(section_of(plan.source), looked_at=2_000_000)
    assert (plan.source["kind"], trial.n_events, trial.n_positive) == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
def test_every_raw_file_is_tried() -> None:
    found = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.is_file()}
    pages = {name for name in found if name.endswith(".md")}
    assert found - pages == set(SHARED) and pages
    for page in pages:
        with pytest.raises(SourceError, match="no table"):
            plan_of([DATA / page])

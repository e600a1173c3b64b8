"""A stranger's logs: any table whose columns are named."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.ingest.ids import OtherKinds
from pipeline.ingest.source import RawBatch
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import TableSource

COLUMNS = {"user": "uid", "item": "iid", "time": "ts", "feedback": "did"}
LOG = "uid,iid,ts,did\n1,10,100,buy\n1,11,200,view\n2,10,50,cart\n"


def source(path: Path, chunk_rows: int = 100, **config: Any) -> TableLog:
    config = {"path": path, "columns": COLUMNS, "positive": ["buy", "cart"]} | config
    return TableLog(TableSource.model_validate(config), chunk_rows)


def read(path: Path, chunk_rows: int = 100, **config: Any) -> RawBatch:
    table = source(path, chunk_rows, **config)
    batches = [batch for delivery in table.deliveries() for batch in table.read(delivery)]
    return RawBatch(*(pl.concat(frames) for frames in zip(*batches, strict=True)))


def write(path: Path, text: str = LOG) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_named_columns_become_events_items_and_users(tmp_path: Path) -> None:
    batch = read(write(tmp_path / "log.csv"))
    assert batch.events.select("user_id", "item_id", "feedback", "file", "line").rows() == [
        (1, 10, 1, "log.csv", 2),
        (1, 11, 0, "log.csv", 3),
        (2, 10, 1, "log.csv", 4),
    ]
    assert batch.events["occurred_at"][0] == datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert sorted(batch.items["item_id"]) == [10, 11]
    assert sorted(batch.users["raw_id"]) == ["1", "2"]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.tsv", "log.tsv.gz", "log.parquet", "bare.csv"])
def test_the_same_rows_come_from_every_format(tmp_path: Path, name: str) -> None:
    path, config = tmp_path / name, dict[str, Any]()
    if name == "log.parquet":
        pl.read_csv(LOG.encode()).write_parquet(path)
    elif name == "bare.csv":
        write(path, LOG.partition("\n")[2])
        config = {"has_header": False, "names": ["uid", "iid", "ts", "did"]}
    else:
        write(path, LOG.replace(",", "\t") if ".tsv" in name else LOG)
    expected = read(write(tmp_path / "reference.csv")).events.drop("file", "line")
    assert read(path, **config).events.drop("file", "line").equals(expected)


def test_chunks_do_not_change_what_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv")
    assert read(path, chunk_rows=1).events.equals(read(path).events)


def test_text_ids_are_hashed_and_kept(tmp_path: Path) -> None:
    batch = read(write(tmp_path / "log.csv", "uid,iid,ts,did\nann,10,1,buy\nbob,10,2,buy\nann,11,3,buy\n"))
    first, second, again = batch.events["user_id"]
    assert first == again != second
    assert batch.users.sort("raw_id")["user_id"].to_list() == [first, second]
    assert batch.users.sort("raw_id")["raw_id"].to_list() == ["ann", "bob"]
    assert batch.events["item_id"].to_list() == [10, 10, 11]


def test_ids_that_do_not_fit_what_is_decided_are_refused(tmp_path: Path) -> None:
    """A text among numbers is a bad row; it does not turn the ids of its chunk into hashes. Undecided, one of four ids is too
    many for a fault: the log is to be read again."""
    path = write(tmp_path / "log.csv", LOG + "oops,10,60,buy\n")
    with pytest.raises(OtherKinds, match=r"text \(users\) and integer \(items\)"):
        read(path, chunk_rows=1)
    batch = read(path, chunk_rows=1, ids="integer")
    assert batch.events["user_id"].to_list() == [1, 1, 2]
    assert batch.rejects.rows() == [("log.csv", 5, "oops,10,60,buy", "user id is not a whole number")]
    assert read(path, ids="text").rejects.is_empty()


def test_a_value_above_the_threshold_is_positive(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "uid,iid,ts,ratio\n1,10,1,0.9\n1,11,2,0.8\n1,12,3,\n1,13,4,much\n1,14,5,1\n")
    columns = {"user": "uid", "item": "iid", "time": "ts", "value": "ratio"}
    batch = read(path, columns=columns, positive=None, positive_above=0.85)
    assert batch.events["feedback"].to_list() == [1, 0, 1]
    assert batch.rejects["reason"].to_list() == ["value is not a number"] * 2


def test_every_column_is_checked_for_what_it_must_be(tmp_path: Path) -> None:
    """One good row of each kind of fill, then one bad cell a row."""
    rows = [
        "1,10,1,1,0,0.5,r1,s1,p,0.1",
        "1,10,2,0,,,,,,",
        "1,10,then,1,0,0.5,,,,0.1",
        "1,10,4,yes,0,0.5,,,,0.1",
        "1,10,5,1,-1,0.5,,,,0.1",
        "1,10,6,1,0,half,,,,0.1",
        "1,10,7,1,0,0.5,,,,1.5",
        "1,,8,1,0,0.5,,,,0.1",
    ]
    path = write(tmp_path / "log.csv", "u,i,t,y,pos,val,req,ses,pol,prop\n" + "\n".join(rows))
    columns = {
        "user": "u",
        "item": "i",
        "time": "t",
        "feedback": "y",
        "position": "pos",
        "value": "val",
        "request": "req",
        "session": "ses",
        "policy": "pol",
        "propensity": "prop",
    }
    batch = read(path, columns=columns, positive=None)
    optional = batch.events.select(
        "feedback", "position", "value", "request_id", "session_id", "behavior_policy_id", "propensity"
    )
    assert optional.rows()[0][:6] == (1, 0, 0.5, "r1", "s1", "p")
    assert optional.rows()[1] == (0, None, None, None, None, None, None)
    assert batch.rejects["reason"].to_list() == [
        "time is not a time in s since 1970",
        "feedback is not 0 or 1",
        "position is not in [0, 65535]",
        "value is not a number",
        "propensity is not in (0, 1]",
        "item id is missing",
    ]


def test_bad_rows_of_parquet_are_rejected_as_json(tmp_path: Path) -> None:
    pl.DataFrame({"uid": [1, None], "iid": [10, 11], "ts": [1, 2], "did": ["buy", "buy"]}).write_parquet(tmp_path / "log.parquet")
    rejects = read(tmp_path / "log.parquet").rejects
    assert rejects["line"].to_list() == [1]
    assert json.loads(rejects["raw"][0]) == {"uid": None, "iid": 11, "ts": 2, "did": "buy"}


def test_an_item_file_is_a_catalogue_and_its_other_columns_are_attributes(tmp_path: Path) -> None:
    write(tmp_path / "items.csv", "id,name,kind,price\n10,Tea,hot|drink,2.5\n11,Ice,,1\n")
    write(tmp_path / "users.csv", "id,town\n1,Rome\n")
    table = source(
        write(tmp_path / "log.csv"),
        items={
            "path": tmp_path / "items.csv",
            "columns": {"item": "id", "title": "name", "categories": ["kind"]},
            "category_separator": "|",
        },
        users={"path": tmp_path / "users.csv", "columns": {"user": "id"}},
    )
    assert table.has_catalogue
    (delivery,) = table.deliveries()
    assert [file.name for file in delivery.files] == ["log.csv", "items.csv", "users.csv"]
    batches = list(table.read(delivery))
    items = pl.concat([batch.items for batch in batches])
    assert items.select("item_id", "title", "categories", "attributes").rows() == [
        (10, "Tea", ["hot", "drink"], '{"price":2.5}'),
        (11, "Ice", [], '{"price":1}'),
    ]
    users = pl.concat([batch.users for batch in batches])
    assert users.rows() == [(1, "1", '{"town":"Rome"}'), (2, "2", None)]


def test_attributes_of_items_and_users_may_stand_in_the_log(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "uid,iid,ts,did,cat,size,age\n1,10,1,buy,a,3,30\n1,10,2,buy,b,4,31\n")
    batch = read(path, columns=COLUMNS | {"categories": ["cat"], "item_attributes": ["size"], "user_attributes": ["age"]})
    assert batch.items.select("categories", "attributes").rows() == [(["b"], '{"size":4}')]
    assert batch.users["attributes"].to_list() == ['{"age":31}']


def test_each_file_is_a_delivery_in_the_order_of_names_or_all_are_one(tmp_path: Path) -> None:
    for day in ("02", "01"):
        (tmp_path / f"day={day}").mkdir()
        write(tmp_path / f"day={day}" / "part.csv")
    pattern = tmp_path / "day=*" / "*.csv"
    table = source(pattern)
    assert [delivery.id for delivery in table.deliveries()] == ["day=01/part.csv", "day=02/part.csv"]
    assert [batch.events.height for batch in table.read(table.deliveries()[1])] == [3]
    (whole,) = source(pattern, delivery="all").deliveries()
    assert len(whole.files) == 2
    assert read(pattern, delivery="all").events["file"].unique().sort().to_list() == ["day=01/part.csv", "day=02/part.csv"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("log.csv", "uid;iid;ts;did\n1;10;1;buy\n", r"has no column uid, iid, ts, did, only uid;iid;ts;did; check the separator"),
        ("log.csv", "uid,iid,when,did\n1,10,1,buy\n", r"has no column ts, only uid, iid, when, did; mend the mapping"),
        ("log.csv", "uid,iid,ts,did\n", "no rows"),
        ("log.csv", "", "empty, 0 bytes"),
        ("log.csv", "uid,iid,ts,did,*\n1,10,1,buy,x\n", "named like a pattern"),
        ("log.parquet", "PAR1 and then nothing", "no Parquet file, or truncated or damaged"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as refusal:
        read(write(tmp_path / name, text))
    assert "\n" not in str(refusal.value)


def test_parquet_without_rows_or_with_nested_cells_is_refused(tmp_path: Path) -> None:
    rows = pl.DataFrame({"uid": [1], "iid": [10], "ts": [1], "did": [["buy"]]})
    rows.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(SourceError, match="did holds lists or structs"):
        read(tmp_path / "log.parquet")
    rows.with_columns(did=pl.lit("buy")).clear().write_parquet(tmp_path / "log.parquet")
    with pytest.raises(SourceError, match="no rows"):
        read(tmp_path / "log.parquet")


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        source(tmp_path / "log.csv").deliveries()
    with pytest.raises(SourceError, match="matches no file"):
        source(tmp_path / "*.csv").deliveries()

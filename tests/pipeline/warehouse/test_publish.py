"""Write, audit, commit: a release becomes visible whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline import contracts
from pipeline.errors import AuditError, ContractError, WarehouseError
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.audits import Finding
from pipeline.warehouse.publish import refuse_if_blocked
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import Statement
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]
REFUSING = Statement("no_item_10", {"severity": "block", "doc": "-"}, "SELECT item_id FROM items WHERE item_id = 10;")


def linked(warehouse: Warehouse) -> list[Path]:
    return [path for path in (warehouse.root / "data").rglob("*.parquet") if not path.name.startswith("ducklake-")]


def test_two_nights_become_two_releases(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """Two events and a record a night, all audits passed; the embeddings are replaced, not added to."""
    first = warehouse.publish(draft, night(1))
    second = warehouse.publish(replace(draft, run_id="r2", inputs=("i2",)), night(2))
    assert first and second and (first.release_id, second.release_id) == (1, 2)
    assert warehouse.latest_release() == second
    assert first.snapshot_id and second.snapshot_id == warehouse.last_snapshot() > first.snapshot_id
    assert warehouse.query("SELECT user_seq FROM events ORDER BY user_seq")["user_seq"].to_list() == [0, 1, 2, 3]
    assert warehouse.query("SELECT record_id, split FROM records ORDER BY record_id").rows() == [
        ("1-0", "train"),
        ("1-1", "test"),
    ]
    assert warehouse.query("SELECT vector FROM embeddings ORDER BY item_id")["vector"].to_list() == [[0, 2], [1, 2]]
    assert [path.name for path in warehouse.files("events")] == ["00001-events.parquet"] * 2
    assert [path.parent.name for path in warehouse.files("embeddings")] == ["r000002"]
    assert warehouse.query("SELECT release_id, parent_id, run_id FROM releases ORDER BY 1").rows() == [
        (1, None, "r1"),
        (2, 1, "r2"),
    ]
    assert warehouse.query("SELECT sum(n_offenders) n, count(DISTINCT release_id) r FROM audits").rows() == [(0, 2)]


def test_the_snapshot_tells_run_and_release(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    release = warehouse.publish(draft, night(1), audits=[])
    assert release
    [(message, extra)] = warehouse.query(
        "SELECT commit_message, commit_extra_info FROM lake.snapshots() WHERE snapshot_id = $id", {"id": release.snapshot_id}
    ).rows()
    assert (message, json.loads(extra)) == ("release 1 by run r1", {"run": "r1", "release": 1})


def test_every_registered_file_has_its_hash_and_inputs(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    changes = night(1)
    [staged] = changes.register["events"]
    warehouse.publish(draft, replace(changes, file_inputs={staged: ("day1",)}), audits=[])
    [(path, rows, size, sha256, inputs)] = warehouse.query(
        "SELECT path, rows, bytes, sha256, inputs FROM artifacts WHERE kind = 'events'"
    ).rows()
    assert (rows, size, sha256, inputs) == (2, staged.stat().st_size, sha256_of(staged), ["day1"])
    assert sha256_of(warehouse.root / path) == sha256
    assert warehouse.query("SELECT inputs FROM artifacts WHERE kind = 'record_rows'")["inputs"].to_list() == [["i1"]]


def test_nothing_new_publishes_nothing(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    before = warehouse.last_snapshot()
    empty = contracts.ITEMS.empty()
    assert warehouse.publish(draft, Changes(register={"events": []}, upsert={"items": empty}, append={})) is None
    assert (warehouse.last_snapshot(), warehouse.latest_release()) == (before, None)


def test_an_upsert_replaces_rows_of_the_same_key_only(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    changes = night(1)
    warehouse.publish(draft, changes, audits=[])
    closed = changes.upsert["sid_history"].head(1).with_columns(valid_to=pl.lit(2, pl.Int64))
    warehouse.publish(draft, Changes(upsert={"sid_history": closed}), audits=[])
    assert warehouse.query("SELECT item_id, valid_to FROM sid_history ORDER BY 1").rows() == [(10, 2), (11, None)]


def test_all_audits_that_refuse_a_release_are_told() -> None:
    """The one that warns is none of them."""
    findings = [
        Finding("a", "block", 2, ('{"item_id":1}',)),
        Finding("w", "warn", 9, ("{}",)),
        Finding("b", "block", 1, ('{"user_id":7}',)),
    ]
    with pytest.raises(AuditError) as refused:
        refuse_if_blocked(findings, 4)
    line = str(refused.value)
    assert (
        "release 4 refused by 2 audits: 1) a: 2 offending rows" in line
        and '2) b: 1 offending row, expected none, such as {"user_id":7}' in line
    )
    assert "w:" not in line and line.endswith('look at: hsrl sql "from audits where release_id = 4"')


def test_a_refused_release_leaves_nothing_but_ledger_rows(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    with pytest.raises(
        AuditError, match=r'release 1 refused by audit no_item_10: 1 offending row, expected none, such as {"item_id":10}'
    ):
        warehouse.publish(draft, night(1), audits=[REFUSING])
    assert warehouse.latest_release() is None
    for table in ("items", "events", "record_rows", "artifacts", "ingests", "splits"):
        assert warehouse.query(f"FROM {table}").is_empty()
    assert linked(warehouse) == []
    assert warehouse.query("SELECT run_id, release_id, audit, n_offenders, examples FROM audits").rows() == [
        ("r1", 1, "no_item_10", 1, ['{"item_id":10}'])
    ]
    assert (release := warehouse.publish(draft, night(1))) and release.release_id == 1


def test_a_warning_does_not_refuse_but_is_kept(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    warning = replace(REFUSING, header={"severity": "warn", "doc": "-"})
    assert (release := warehouse.publish(draft, night(1), audits=[warning])) and release.release_id == 1
    assert warehouse.query("SELECT severity, n_offenders FROM audits").rows() == [("warn", 1)]


def test_all_offenders_are_counted_but_twenty_kept(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    many = Statement("many", {"severity": "warn", "doc": "-"}, "SELECT i FROM range(100) AS t (i)")
    warehouse.publish(draft, night(1), audits=[many])
    assert warehouse.query("SELECT n_offenders, len(examples) AS n FROM audits").rows() == [(100, 20)]


def test_an_audit_needs_a_severity(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    with pytest.raises(WarehouseError, match="severity is high, expected block or warn"):
        warehouse.publish(draft, night(1), audits=[replace(REFUSING, header={"severity": "high", "doc": "-"})])
    assert warehouse.latest_release() is None


def test_previous_is_the_last_release_and_not_the_one_in_the_making(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night
) -> None:
    """AT (VERSION => n) would see the transaction's own changes; the pinned attach sees 2 events where there will be 4."""
    warehouse.publish(draft, night(1), audits=[])
    ask = "SELECT (SELECT sum(feedback + 1) FROM previous.main.events) AS before, (SELECT sum(feedback + 1) FROM events) AS after"
    warehouse.publish(draft, night(2), audits=[Statement("both", {"severity": "warn", "doc": "-"}, ask)])
    assert json.loads(warehouse.query("SELECT examples[1] AS e FROM audits")["e"][0]) == {"before": 3, "after": 6}


def test_a_statement_that_fails_rolls_everything_back(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    with pytest.raises(duckdb.Error):
        warehouse.publish(
            draft, night(1), audits=[Statement("broken", {"severity": "block", "doc": "-"}, "SELECT no_such FROM items")]
        )
    assert warehouse.latest_release() is None and linked(warehouse) == []
    assert (release := warehouse.publish(draft, night(1), audits=[])) and release.release_id == 1


def test_a_commit_that_commits_nothing_is_an_error(warehouse: Warehouse) -> None:
    """DuckLake makes no snapshot of a transaction without changes, and raises nothing."""
    with pytest.raises(WarehouseError, match="idle: nothing was committed"), warehouse.transaction("idle", {}):
        pass


def test_only_the_writer_publishes(empty_warehouse: Path, draft: ReleaseDraft, night: Night) -> None:
    with Warehouse.open(empty_warehouse) as reader, pytest.raises(WarehouseError, match="run r1 is not the writer"):
        reader.publish(draft, night(1))


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"append": {"items": pl.DataFrame({"item_id": [1]})}}, "items lacks"),
        ({"append": {"events": contracts.EVENTS.empty()}}, "events takes no rows"),
        ({"append": {"runs": pl.DataFrame()}}, "runs takes no rows"),
        ({"append": {"no_such": pl.DataFrame()}}, "no_such takes no rows"),
        ({"register": {"items": [Path("x.parquet")]}}, "items takes rows, not files"),
    ],
)
def test_what_breaks_a_contract_is_refused_before_anything_begins(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night, spoiled: dict, message: str
) -> None:
    before = warehouse.last_snapshot()
    with pytest.raises(ContractError, match=message):
        warehouse.publish(draft, replace(night(1), **spoiled))
    assert warehouse.last_snapshot() == before


def test_a_file_with_other_columns_is_refused(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    changes = night(1)
    [staged] = changes.register["events"]
    pl.read_parquet(staged).cast({"item_id": pl.Int32}).drop("source").write_parquet(staged)
    with pytest.raises(ContractError, match="2 columns are not those of events: item_id, source"):
        warehouse.publish(draft, changes)
    assert linked(warehouse) == []


def test_a_file_is_never_registered_twice(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """DuckLake would double its rows."""
    changes = night(1)
    [staged] = changes.register["events"]
    twin = Path(shutil.copy(staged, staged.with_name("twin.parquet")))
    with pytest.raises(WarehouseError, match="2 of 4 files are registered already"):
        warehouse.publish(draft, replace(changes, register={**changes.register, "events": [staged, twin]}), audits=[])
    warehouse.publish(draft, changes, audits=[])
    with pytest.raises(WarehouseError, match="1 of 1 files are registered already"):
        warehouse.publish(draft, Changes(register={"events": [twin]}), audits=[])
    assert warehouse.query("SELECT sum(feedback) AS n FROM events").rows() == [(1,)]


def test_the_same_bytes_may_replace_themselves(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    changes = night(1)
    for _ in range(2):
        warehouse.publish(draft, Changes(replace_files=changes.replace_files), audits=[])
    assert warehouse.query("SELECT item_id FROM embeddings ORDER BY 1")["item_id"].to_list() == [10, 11]


def test_a_file_without_rows_is_not_registered(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    changes = night(1)
    [staged] = changes.register["events"]
    pl.read_parquet(staged).clear().write_parquet(staged)
    warehouse.publish(draft, changes, audits=[])
    assert warehouse.files("events") == [] and warehouse.query("FROM artifacts WHERE kind = 'events'").is_empty()


def test_a_moved_warehouse_opens_and_goes_on(warehouse: Warehouse, draft: ReleaseDraft, night: Night, tmp_path: Path) -> None:
    warehouse.publish(draft, night(1))
    copy = tmp_path / "elsewhere" / "it's here"
    shutil.copytree(warehouse.root, copy)
    shutil.rmtree(warehouse.root / "data")
    with Warehouse.open(copy) as moved, moved.writer("r2", 0):
        assert moved.query("SELECT sum(feedback) AS n FROM events").rows() == [(1,)]
        assert all(path.is_relative_to(copy) for path in moved.files("events"))
        assert (release := moved.publish(replace(draft, run_id="r2"), night(2))) and release.release_id == 2
        assert moved.query("SELECT sum(feedback) AS n FROM events").rows() == [(2,)]


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from pipeline.warehouse import publish
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.warehouse import Warehouse

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(publish, sys.argv[2], die)
files = {name: [Path(sys.argv[3]) / f"{name}.parquet"] for name in ("events", "record_rows")}
with Warehouse.open(Path(sys.argv[1])) as warehouse, warehouse.writer("doomed", 0):
    warehouse.publish(ReleaseDraft("doomed", "refresh", "0.1", {}, 7, ()), Changes(register=files), audits=[])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["insert", "_artifact_rows", "run_audits", "audit_rows"])
def test_a_kill_in_the_middle_leaves_the_last_release(empty_warehouse: Path, tmp_path: Path, draft: ReleaseDraft, night: Night, moment: str) -> None:  # fmt: skip
    """SIGKILL between the placing of the files and the commit; the next publish clears what was left and goes on."""
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    with Warehouse.open(root) as warehouse, warehouse.writer("r1", 0):
        warehouse.publish(draft, night(1), audits=[])
    night(2)
    command = [sys.executable, "-c", KILLED, str(root), moment, str(tmp_path / "staged" / "2")]
    died = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert died.returncode == -signal.SIGKILL
    with Warehouse.open(root) as warehouse, warehouse.writer("r3", 0):
        assert len(linked(warehouse)) == 5
        assert (release := warehouse.latest_release()) and release.run_id == "r1"
        assert warehouse.query("SELECT user_seq FROM events ORDER BY 1")["user_seq"].to_list() == [0, 1]
        assert (release := warehouse.publish(replace(draft, run_id="r3"), night(2))) and release.release_id == 2
        assert len(linked(warehouse)) == 6

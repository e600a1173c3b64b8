"""Warehouses of earlier versions become warehouses of this one, and go on as if it had made them."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.service.warehouse_checks import warehouse as warehouse_checks
from pipeline.errors import WarehouseError
from pipeline.warehouse import migrate as module
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.migrate import migrate, migrations, steps_from
from pipeline.warehouse.schema import check_layout, layout_now
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.warehouse import Warehouse

MADE_BY = Path(__file__).parent / "made_by"
VERSIONS = sorted(path.name.removesuffix(".tar.xz") for path in MADE_BY.glob("*.tar.xz"))


def unpacked(version: str, folder: Path) -> Path:
    """The warehouse that a version made, beside its log and configuration."""
    with tarfile.open(MADE_BY / f"{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "w"


def columns_of(root: Path) -> list[tuple[str, str, str]]:
    with Lake.open(root) as lake:
        rows = lake.query(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake' ORDER BY ALL"
        )
    return rows.rows()


def test_every_layout_leads_to_that_of_this_version() -> None:
    """Whoever changes a table adds a step; hsrl migrate tells its number."""
    steps = migrations()
    assert [step.name.split("_")[0] for step in sorted(steps.values(), key=lambda step: step.name)] == [
        f"{number:04}" for number in range(1, len(steps) + 1)
    ]
    for layout in steps:
        assert (found := steps_from(layout)) and found[-1].after == layout_now(), "add sql/migrations/NNNN_what.sql"
    assert steps_from(layout_now()) == [] and steps_from("unknown") is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_warehouse_of_an_earlier_version_goes_on(version: str, tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    """Tables and columns are those of a new one, nothing stored has changed, and the next nights bring new, known and late events."""
    root = unpacked(version, tmp_path)
    told = hsrl("verify", "--warehouse", root)
    assert told.code == 2 and told.err.count("\n") == 1 and f"hsrl migrate --warehouse {root}" in told.err
    before = {path: path.read_bytes() for path in (root / "data").rglob("*.parquet")}
    catalogue = (root / "catalog.sqlite").read_bytes()
    plan = hsrl("migrate", "--dry-run", "--warehouse", root)
    assert "would take" in plan.out and (root / "catalog.sqlite").read_bytes() == catalogue
    assert (done := hsrl("migrate", "--warehouse", root)).code == 0, done.err
    Lake.create_or_open(tmp_path / "new").close()
    assert columns_of(root) == columns_of(tmp_path / "new")
    assert all(path.read_bytes() == content for path, content in before.items())
    assert hsrl("verify", "--warehouse", root).code == 0
    assert "nothing to do" in hsrl("migrate", "--warehouse", root).out
    releases = run_sql(root, "select release_id from releases order by 1")["release_id"].to_list()
    with Warehouse.open_release(root, releases[-1]) as last:  # as a retrain does, before any refresh
        assert last.query("SELECT count(*), count(n_late) > 0 FROM records, ingests").row(0)[0] > 0
    back = hsrl("rollback", releases[0], "--warehouse", root)
    assert back.code == 2 and back.err.count("\n") == 1 and "from before hsrl migrate; expected a later one" in back.err
    sids = run_sql(root, "select item_id, sid from sids order by item_id")
    log = pl.read_csv(tmp_path / "logs" / "day-2.csv")
    for day, rows in (
        (2, pl.concat([log, log.with_columns(pl.col("timestamp") + 30)])),
        (9, log.with_columns(pl.col("timestamp") - 40)),
    ):
        rows.write_csv(tmp_path / "logs" / f"day-{day}.csv")
        night = hsrl("refresh", "--config", tmp_path / "log.toml", "--warehouse", root)
        assert night.code == 0, night.err
    counts = run_sql(root, "select n_accepted, n_known, n_late > 0 from ingests order by sequence desc limit 2").rows()
    assert counts == [(300, 0, True), (300, 300, True)]
    assert run_sql(root, "select count(*) from events").item() == 1200
    kept = run_sql(root, "select item_id, sid from sids").join(sids, on=["item_id", "sid"]).height
    assert kept >= sids.height - 2  # the churn that nights may cost
    assert hsrl("verify", "--warehouse", root).code == 0


def test_what_was_not_written_down_is_counted_or_stays_empty(tmp_path: Path) -> None:
    root = unpacked("0.1.0", tmp_path)
    migrate(root, "m", lambda line: None)
    figures = "select sequence, n_positives, n_users, n_new_users, n_items, n_new_items, n_late, replaces from ingests order by sequence"
    assert run_sql(root, figures).rows() == [(0, 100, 30, 30, 25, 25, 0, []), (1, 100, 30, 0, 25, 0, 0, [])]
    assert run_sql(root, "select count(*), count(behavior) from events").row(0) == (600, 0)
    assert run_sql(root, "from ingest_lines").is_empty() and run_sql(root, "from source_meanings").is_empty()


def test_an_earlier_policy_is_kept_and_no_longer_published(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    """That of the judges can be loaded still; its figures stay either way."""
    root = unpacked("0.2.0-judges", tmp_path)
    migrate(root, "m", lambda line: None)
    assert run_sql(root, "select is_published from policies").rows() == [(True,)]
    assert run_sql(root, "select count(*) > 0 and count(family) = count(*) from evaluations").item()
    assert hsrl("trace", run_sql(root, "select policy_id from policies").item(), "--warehouse", root).code == 0


def test_a_step_that_fails_changes_nothing_and_a_killed_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = unpacked("0.1.0", tmp_path)
    steps = migrations()
    names = sorted(steps, key=lambda layout: steps[layout].name)
    broken = {
        **steps,
        names[1]: module.Migration("0002_x", "x", names[1], steps[names[1]].after, "CREATE TABLE half (a INTEGER)"),
    }
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(WarehouseError, match="0002_x did not lead to layout"):
        migrate(root, "m", lambda line: None)
    monkeypatch.undo()
    said: list[str] = []
    assert [step.name for step in migrate(root, "m", said.append)] == [steps[names[1]].name, steps[names[2]].name]
    assert (root / "catalog.before-0001.sqlite").is_file() and (root / "catalog.before-0002.sqlite").is_file()
    assert set(run_sql(root, "select distinct name from dictionary where kind = 'table'")["name"]) == set(TABLES)


@pytest.mark.parametrize("words", [("trace", "1"), ("report", "--html", "page.html"), ("compare", "a", "b"), ("recommend", "1")])
def test_questions_of_a_fixed_kind_name_the_migration_and_sql_goes_on(
    words: tuple[str, ...], tmp_path: Path, hsrl: Callable[..., Any]
) -> None:
    root = unpacked(VERSIONS[0], tmp_path)
    asked = hsrl(*words, "--warehouse", root)
    assert asked.code == 2 and asked.err.count("\n") == 1 and f"hsrl migrate --warehouse {root}" in asked.err
    assert hsrl("sql", "select count(*) from items", "--warehouse", root).code == 0
    [catalogue, *_] = warehouse_checks(root)
    assert catalogue.status == "FAIL" and "hsrl migrate" in catalogue.finding


def test_the_copy_before_brings_back_the_earlier_version(tmp_path: Path) -> None:
    root = unpacked("0.2.0", tmp_path)
    migrate(root, "m", lambda line: None)
    for copy in (root / "readers", root / "readers.sqlite", root / "readers.json"):
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink()
    shutil.copyfile(root / "catalog.before-0002.sqlite", root / "catalog.sqlite")
    with Lake.open_any_layout(root) as lake, pytest.raises(WarehouseError, match="made by an earlier version"):
        check_layout(lake.connection, str(root))


def test_a_layout_of_no_known_version_is_refused_in_one_line(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    root = tmp_path / "w"
    with Lake.create_or_open(root) as lake, lake.transaction("a newer version", {}):
        lake.connection.execute("ALTER TABLE items ADD COLUMN price DOUBLE")
    for command in ("migrate", "verify", "gc"):
        told = hsrl(command, "--warehouse", root)
        assert told.code == 2 and told.err.count("\n") == 1 and "probably of a newer one; upgrade hsrl" in told.err

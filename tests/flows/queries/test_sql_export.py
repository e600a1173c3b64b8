"""Answers as files, the data dictionary, the snapshot, and the file that other clients attach by."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.queries.answer_texts import as_csv
from flows.queries.sql_export import dictionary, snapshot, write_answer
from pipeline.errors import ConfigError, QueryError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with one item, without a release."""
    root = tmp_path_factory.mktemp("made") / "w"
    with Warehouse.create_or_open(root) as warehouse, warehouse.transaction("an item", {}):
        warehouse.connection.execute("INSERT INTO items VALUES (1, '1', 'One, \"1\"', ['a', 'b'], NULL, NULL, NULL, true)")
    return root


@pytest.fixture
def ask(root: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        told = CliRunner().invoke(app, ["sql", *arguments, "--warehouse", str(root)], catch_exceptions=False)
        assert told.exit_code == 0
        return told.stdout

    return run


def test_an_answer_comes_as_csv_json_or_a_file(root: Path, ask: Callable[..., str], tmp_path: Path) -> None:
    question = "select item_id, title, categories from items"
    assert ask("--csv", question) == 'item_id,title,categories\n1,"One, ""1""","[""a"", ""b""]"\n'
    assert json.loads(ask("--json", question)) == [{"item_id": 1, "title": 'One, "1"', "categories": ["a", "b"]}]
    for ending in ("csv", "json", "parquet"):
        ask(question, "--out", str(tmp_path / f"x.{ending}"))
    assert pl.read_parquet(tmp_path / "x.parquet").equals(run_sql(root, question))
    assert (tmp_path / "x.csv").read_text() == as_csv(run_sql(root, question))
    assert json.loads((tmp_path / "x.json").read_text())[0]["item_id"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.json", "x.parquet"]


def test_an_answer_is_never_written_into_the_warehouse_or_under_another_ending(root: Path, tmp_path: Path) -> None:
    answer = pl.DataFrame({"a": [1]})
    (tmp_path / "link").symlink_to(root)
    for inside in (root / "x.csv", root / "data" / ".." / "x.csv", tmp_path / "link" / "x.csv"):
        with pytest.raises(ConfigError, match="inside the warehouse"):
            write_answer(answer, inside, root)
    with pytest.raises(ConfigError, match=r"ends in \.xls, expected \.csv, \.json or \.parquet"):
        write_answer(answer, tmp_path / "x.xls", root)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_answer(answer, tmp_path / "nowhere" / "x.csv", root)


def test_the_dictionary_tells_tables_and_columns(root: Path, ask: Callable[..., str]) -> None:
    assert {"sids", "items", "sids_at", "lineage", "withdrawn"} <= set(dictionary(root, None)["name"])
    columns = dictionary(root, "ITEMS")
    assert columns.rows()[0] == ("item_id", "BIGINT", "the item; text ids are hashed to 63 bits, see raw_id")
    assert dictionary(root, "sids")["column_name"].to_list()[:2] == ["item_id", "codebook_id"]
    assert "Semantic ID of each item now" in ask("--tables")
    with pytest.raises(ConfigError, match="no table, view or macro 'nix'"):
        dictionary(root, "nix")


def test_a_snapshot_is_one_plain_file_with_comments(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "it's.duckdb"
    assert snapshot(root, target)["items"] == snapshot(root, target)["items"] == 1
    with duckdb.connect(target, read_only=True) as plain:
        assert plain.execute("SELECT title, categories FROM items").fetchall() == [('One, "1"', ["a", "b"])]
        assert plain.execute("FROM sid_buckets").fetchall() == []
        comment = "SELECT comment FROM duckdb_columns() WHERE table_name = 'items' AND column_name = 'raw_id'"
        assert plain.execute(comment).fetchone() == ("the id as the raw log spells it",)
    (tmp_path / "mine.txt").write_text("not to be lost")
    with pytest.raises(QueryError, match="is no DuckDB file"):
        snapshot(root, tmp_path / "mine.txt")


def test_another_client_attaches_the_last_release_by_the_file_in_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DuckDB connection that knows nothing of hsrl, in the warehouse's folder; it can read and cannot write."""
    monkeypatch.chdir(root)
    with duckdb.connect() as client:
        client.execute(Path("attach.sql").read_text())
        assert client.execute("SELECT item_id FROM items").fetchall() == [(1,)]
        assert client.execute("FROM sids_at(1)").fetchall() == []
        with pytest.raises(duckdb.Error, match="read-only"):
            client.execute("DELETE FROM items")
    assert not list(root.glob("readers*/*-wal"))


def test_what_a_library_prints_by_itself_does_not_get_into_an_answer(root: Path) -> None:
    """Bytes written to the descriptor of standard output, as C code does, go to standard error."""
    source = (
        "import os, flows.cli.app as cli, flows.queries.answer_texts as texts\n"
        "texts.as_json = lambda rows: os.write(1, b'a bar') and 'answer'\ncli.main()"
    )
    command = [sys.executable, "-c", source, "sql", "--json", "select 1", "--warehouse", str(root)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert (told.stdout, told.stderr) == ("answer\n", "a bar")

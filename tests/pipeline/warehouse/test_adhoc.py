"""SQL from outside: questions are answered, everything else is refused in one line."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import QueryError, WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import statements
from pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module")
def root(empty_warehouse: Path) -> Path:
    return empty_warehouse


@pytest.mark.parametrize(
    "sql",
    [
        "select tokens[1] from sids",
        "from items;",
        "with few as (select 1 as n), more as (from few) from more join few using (n)",
        "with recursive up as (select 1 as n union all select n + 1 from up where n < 3) from up",
        "select * from range(3), unnest([1, 2])",
        "from sids_at(1) union all from lake.sids_at(2)",
        "from lake.main.sid_items('1-2')",
        "describe items",
        "summarize items",
        "show tables",
        "values (1)",
        "explain select * from sids",
        "EXPLAIN ANALYZE from sid_buckets",
        "/* why */ explain select 1",
    ],
)
def test_a_question_is_answered(root: Path, sql: str) -> None:
    assert run_sql(root, sql).width > 0


REFUSED = {
    "copy items to 'x.csv'": "a statement of type COPY, expected SELECT or EXPLAIN",
    "copy (select 1) to 'x.csv'": "type COPY",
    "attach 'x.db'": "type ATTACH",
    "attach 'ducklake:sqlite:catalog.sqlite' as w": "type ATTACH",
    "install httpfs": "type LOAD",
    "load 'x.so'": "type LOAD",
    "pragma version": "not a plain SELECT",
    "pragma database_list": "not a plain SELECT",
    "call lake.set_commit_message('a', 'b')": "type CALL",
    "set memory_limit = '1TB'": "type SET",
    "delete from items": "type DELETE",
    "insert into items from items": "type INSERT",
    "update items set title = 'x'": "type UPDATE",
    "drop table items": "type DROP",
    "create table t (i int)": "type CREATE",
    "execute q": "type EXECUTE",
    "explain delete from items": "type DELETE",
    "explain analyze copy items to 'x.csv'": "type COPY",
    "explain /* explain */ copy items to 'x.csv'": "type COPY",
    "/* explain */ explain analyze delete from items": "type DELETE",
    "select 1; select 2": "2 statements, expected one",
    "select 1; delete from items": "2 statements",
    "": "0 statements",
    "from read_csv('/etc/passwd')": "the table function read_csv is not allowed, expected one of generate_series",
    "select (select count(*) from read_text('/etc/passwd'))": "read_text is not allowed",
    "with x as (from read_blob('/etc/passwd')) from x": "read_blob is not allowed",
    "from glob('*')": "glob is not allowed",
    "from sqlite_scan('catalog.sqlite', 'x')": "sqlite_scan is not allowed",
    "from sqlite_query('lake', 'x')": "sqlite_query is not allowed",
    "from ducklake_cleanup_old_files('lake', cleanup_all => true)": "ducklake_cleanup_old_files is not allowed",
    "from ducklake_add_data_files('lake', 'items', 'x')": "ducklake_add_data_files is not allowed",
    "from lake.snapshots()": "snapshots is not allowed",
    "from query('select 1')": "query is not allowed",
    "from query_table('items')": "query_table is not allowed",
    "from duckdb_secrets()": "duckdb_secrets is not allowed",
    "from '/etc/passwd'": "there is no table /etc/passwd",
    "from 'data/main/items/x.parquet'": "there is no table data/main/items/x.parquet",
    "from __ducklake_metadata_lake.ducklake_snapshot": "there is no table __ducklake_metadata_lake.ducklake_snapshot",
    "from information_schema.tables": "there is no table information_schema.tables",
    "from itms": r"there is no table itms; did you mean items\?",
    "from zzzzzz": 'see: hsrl sql "select name, doc from dictionary"',
    "selec 1": "syntax error at or near",
    "select nothing from items": 'Referenced column "nothing" not found',
    "select 1 / 'x'": "Could not convert string 'x'",
}


@pytest.mark.parametrize("sql", list(REFUSED))
def test_anything_else_is_refused_in_one_line(root: Path, sql: str) -> None:
    with pytest.raises(QueryError) as refusal:
        run_sql(root, sql)
    assert re.search(REFUSED[sql], str(refusal.value)), refusal.value
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith("sql: ")


def test_a_variable_of_the_calling_code_is_no_table(root: Path) -> None:
    import polars as pl

    secrets = pl.DataFrame({"a": [1]})
    with pytest.raises(QueryError, match="there is no table secrets"):
        run_sql(root, "from secrets")
    assert secrets.height == 1


def test_a_name_that_hides_a_file_cannot_be_read_outside_its_scope(root: Path, tmp_path: Path) -> None:
    """The allow-list of names takes a CTE's name for good everywhere; the engine's own lock then stops the file."""
    (tmp_path / "x.csv").write_text("a\n1\n")
    file = tmp_path / "x.csv"
    with pytest.raises(QueryError, match=r"disabled by configuration|does not exist"):
        run_sql(root, f'select * from (with "{file}" as (select 1) from "{file}") as a, \'{file}\' as b')


def test_a_limit_ends_an_endless_answer(root: Path) -> None:
    assert run_sql(root, "select range from range(1000000000000)", limit=2)["range"].to_list() == [0, 1]
    assert run_sql(root, "select range from range(3000)", limit=2500).height == 2500
    assert run_sql(root, "from items", limit=5).shape == (0, 8)


@pytest.mark.parametrize("statement", list(statements("examples")), ids=lambda statement: statement.name)
def test_an_example_may_be_asked(root: Path, statement) -> None:  # type: ignore[no-untyped-def]
    run_sql(root, statement.sql)


def test_no_warehouse_is_told(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="make one with: hsrl demo"):
        run_sql(tmp_path, "select 1")


def test_a_question_is_answered_while_a_writer_is_at_work(
    warehouse: Warehouse, draft: ReleaseDraft, night: Callable[[int], Changes]
) -> None:
    """In the middle of a transaction the reader sees the last release: one event liked, of one night."""
    warehouse.publish(draft, night(1), audits=[])
    ask = "select sum(feedback) as n from events"
    with warehouse.transaction("half", {}):
        warehouse.connection.execute("DELETE FROM events")
        assert run_sql(warehouse.root, ask).rows() == [(1,)]
    assert run_sql(warehouse.root, ask).rows() == [(None,)]


def test_a_moved_copy_answers(warehouse: Warehouse, draft: ReleaseDraft, night: Callable[[int], Changes], tmp_path: Path) -> None:
    warehouse.publish(draft, night(1), audits=[])
    shutil.move(warehouse.root, tmp_path / "moved")
    assert run_sql(tmp_path / "moved", "select sum(feedback) as n from events").rows() == [(1,)]


def test_sums_of_whole_numbers_are_whole_numbers(root: Path) -> None:
    """Not decimals, which JSON would write as text; what does not fit stays as it is."""
    huge = 2**100
    rows = run_sql(root, f"select sum(n) as n, sum(n) filter (n > 9) as none, {huge}::hugeint as huge from range(3) as t(n)")
    assert rows.rows() == [(3, None, huge)]
    assert rows.dtypes[:2] == [pl.Int64, pl.Int64]

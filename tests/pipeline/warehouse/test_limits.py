"""What a question may cost: it is stopped, in one line that says how to allow more."""

import time
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import QueryError
from pipeline.warehouse import limits as limits_module
from pipeline.warehouse.adhoc import answering, run_sql
from pipeline.warehouse.limits import Limits, Watch
from pipeline.warehouse.snapshot import write_snapshot

SLOW = "select sum(a.range * b.range % 7) from range(10000000) a, range(10000000) b"
LARGE = {
    "rows that are sorted": "select * from range(100000000) t(x), range(5) order by hash(x)",
    "one list": "select list(range) from range(1000000000)",
    "one text": "select string_agg(range::varchar, ',') from range(1000000000)",
    "groups": "select x, count(*) from range(200000000) t(x) group by x",
    "explained": "explain analyze select list(range) from range(1000000000)",
}


@pytest.mark.parametrize("sql", [SLOW, f"explain analyze {SLOW}", f"with x as materialized ({SLOW}) from x, x as y"])
def test_a_question_that_takes_too_long_is_stopped(empty_warehouse: Path, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 0\.3 seconds, the limit; .* allow more with: --seconds 3$"):
        run_sql(empty_warehouse, sql, limits=Limits(seconds=0.3))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("name", LARGE)
def test_a_question_that_needs_too_much_memory_is_stopped(empty_warehouse: Path, name: str) -> None:
    """Three texts of a list of numbers are as large as the list, whoever counts them."""
    before = limits_module.resident_mb()
    with pytest.raises(QueryError, match=r"needs more than 100 MB of memory, the limit; .* allow more with: --memory-mb 400$"):
        run_sql(empty_warehouse, LARGE[name], limits=Limits(memory_mb=100))
    assert limits_module.resident_mb() - before < 1_000


def test_an_answer_that_python_cannot_hold_is_stopped_and_streams(empty_warehouse: Path) -> None:
    """A thousand rows of a megabyte: too many for one frame under this limit, and none for frames that go as they come."""
    sql, few = "select repeat('x', 1000000) as x from range(1000)", Limits(memory_mb=200)
    with pytest.raises(QueryError, match="needs more than 200 MB"):
        run_sql(empty_warehouse, sql, limits=few)


def test_the_limits_end_with_their_question(empty_warehouse: Path) -> None:
    with answering(empty_warehouse, "select 1 as n", Limits(seconds=0.2)) as answer:
        assert answer.texts(1) == [(1,)]
    assert run_sql(empty_warehouse, "select 1 as n", limits=Limits(memory_mb=50)).item() == 1


def test_an_engine_that_does_not_listen_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is to end the process is called soon after the limit; the block itself sleeps on."""
    monkeypatch.setattr(limits_module, "_GRACE_SECONDS", 0.1)
    lines: list[str] = []
    with (
        duckdb.connect() as connection,
        pytest.raises(QueryError),
        Watch(connection, Limits(seconds=0.1), lines.append),
    ):
        time.sleep(0.5)
    assert lines and lines[0].startswith("sql: stopped after 0.1 seconds")


def test_a_snapshot_has_the_same_limits(empty_warehouse: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="--seconds"):
        write_snapshot(empty_warehouse, tmp_path / "x.duckdb", Limits(seconds=0.0))

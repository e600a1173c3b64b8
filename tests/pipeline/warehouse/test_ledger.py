"""Runs and quarantine are committed on their own."""

import polars as pl
import pytest

from pipeline.contracts import REJECTS
from pipeline.errors import ContractError, WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.ledger import RunEnd, add_quarantine, finish_run, start_run
from pipeline.warehouse.warehouse import Warehouse


def rejects(*lines: int) -> pl.DataFrame:
    rows = [("day1.csv", line, f"row {line}", "unknown item") for line in lines]
    return pl.DataFrame(rows, schema=REJECTS.schema, orient="row")


def test_a_run_is_seen_running_and_then_how_it_ended(warehouse: Warehouse) -> None:
    start_run(warehouse, "r1", "daily-refresh", "0.1", {"seed": 7})
    ask = "SELECT status, config, release_id, finished_at >= started_at, cpu_seconds, message FROM runs"
    assert run_sql(warehouse.root, ask).rows() == [("running", '{"seed": 7}', None, None, None, None)]
    finish_run(warehouse, "r1", RunEnd("failed", stage_seconds={"ingest": 1.5}, cpu_seconds=2.0, message="no file day2.csv"))
    assert run_sql(warehouse.root, ask).rows() == [("failed", '{"seed": 7}', None, True, 2.0, "no file day2.csv")]
    assert run_sql(warehouse.root, "SELECT stage_seconds->>'ingest' FROM runs").rows() == [("1.5",)]


def test_a_run_ends_in_a_known_way_and_only_if_it_began(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="status is 'done', expected one of completed, failed, nothing new"):
        finish_run(warehouse, "r1", RunEnd("done"))
    with pytest.raises(WarehouseError, match="run r1 was never started"):
        finish_run(warehouse, "r1", RunEnd("completed"))


def test_a_second_attempt_at_an_ingest_does_not_quarantine_twice(warehouse: Warehouse) -> None:
    add_quarantine(warehouse, "r1", "i1", rejects(3, 5))
    add_quarantine(warehouse, "r1", "i2", rejects(9))
    add_quarantine(warehouse, "r2", "i1", rejects(5))
    assert warehouse.query("SELECT run_id, ingest_id, line FROM quarantine ORDER BY ingest_id").rows() == [
        ("r2", "i1", 5),
        ("r1", "i2", 9),
    ]


def test_an_ingest_without_rejects_leaves_no_snapshot(warehouse: Warehouse) -> None:
    before = warehouse.last_snapshot()
    add_quarantine(warehouse, "r1", "i1", rejects())
    assert warehouse.last_snapshot() == before


def test_rejects_that_break_their_contract_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ContractError, match="rejects lacks"):
        add_quarantine(warehouse, "r1", "i1", rejects(1).drop("reason"))

"""What `hsrl status` tells of runs."""

from pathlib import Path

from flows.queries.status import status
from pipeline.warehouse.ledger import RunEnd, finish_run, start_run
from pipeline.warehouse.lock import alive
from pipeline.warehouse.warehouse import Warehouse


def test_a_run_that_died_is_told_as_killed_before_any_other_run_enters_it(tmp_path: Path) -> None:
    """Three runs have begun: one has ended, one is alive, of one nobody holds the mark."""
    root = tmp_path / "w"
    with Warehouse.create_or_open(root) as warehouse, alive(root, "living"):
        for run in ("ended", "living", "dead"):
            start_run(warehouse, run, "daily-refresh", "0.1", {})
        finish_run(warehouse, "ended", RunEnd("completed"))
        (root / "staging" / ".alive" / "dead").write_text("{}")
        told = {run["run_id"]: run["status"] for run in status(root)["runs"]}
        assert told == {"ended": "completed", "living": "running", "dead": "killed"}
        assert (root / "staging" / ".alive" / "dead").exists()  # it only looked
        assert warehouse.query("SELECT status FROM runs WHERE run_id = 'dead'").item() == "running"

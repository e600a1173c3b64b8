"""Every fact of the morning page is what one finds by asking the tables, and what a retrain printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.maintenance.rollback import rollback
from flows.report.facts import read_facts
from flows.report.judged import merged, pooled
from flows.report.page import page
from flows.runtime.run import Run
from pipeline.errors import WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.ledger import start_run
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World
from tests.flows.report.conftest import NIGHTS


def test_the_policy_table_has_the_figures_that_the_retrain_printed(retrained: World) -> None:
    printed = {(row["policy"], row["policy_id"]): row for row in merged(retrained.report["evaluation"])}
    found = {(row["policy"], row["policy_id"]): row for row in read_facts(retrained.root).judged if "mean" in row}
    assert found.keys() == printed.keys() and len(found) > 5
    for name, row in printed.items():
        for figure in ("mean", "own", "ci_low", "ci_high", "unsupported_share", "panel"):
            assert found[name][figure] == pytest.approx(row[figure]), (name, figure)


def test_peoples_answers_are_those_that_the_retrain_printed(retrained: World) -> None:
    found = {row["policy_id"] or row["policy"]: row for row in read_facts(retrained.root).judged}
    for row in retrained.report["real_answers"]:
        mine = found[row["policy_id"] or row["policy"]]
        assert mine["auc_in_slate"] == pytest.approx(row["auc_in_slate"])
        assert mine["auc_in_slate_low"] < mine["auc_in_slate"] < mine["auc_in_slate_high"]


def test_the_gates_words_are_kept(retrained: World) -> None:
    last = read_facts(retrained.root).last
    assert [(run.flow, run.outcome, run.release_id) for run in last] == [
        ("nightly-retrain", "published", 2),
        ("daily-refresh", "published", 1),
    ]
    assert last[0].why == f"policy published: {retrained.report['gate']}"


def test_a_refused_night_says_which_audit_in_words(refused: World) -> None:
    facts = read_facts(refused.root)
    assert (facts.last[0].flow, facts.last[0].outcome, facts.last[0].release_id) == ("daily-refresh", "refused", None)
    assert facts.release is not None and facts.release["release_id"] == 2
    first = facts.audits[0]
    assert (first.audit, first.severity, first.n_offenders) == ("delivery_drift", "block", 1)
    assert first.example.startswith("share of positives of 2026-01-04 is 0.000, usually 0.")
    assert first.advice.endswith("hsrl refresh --accept delivery_drift")


def test_rows_and_churn_and_bytes_are_those_of_the_tables(retrained: World) -> None:
    facts = read_facts(retrained.root)
    [rows] = retrained.ask("select sum(n_accepted), sum(n_rejected), sum(n_new_items) from ingests").rows()
    deliveries = facts.tables["deliveries"]
    assert tuple(deliveries[name].sum() for name in ("n_accepted", "n_rejected", "n_new_items")) == rows
    [churn] = retrained.ask("select count(*) from sid_history where reason = 'new' and valid_from = 1").rows()
    assert (facts.tables["churn"]["n_new"][0],) == churn
    [stored] = retrained.ask("select sum(bytes) from artifacts").rows()
    assert (facts.tables["disk"]["n_bytes"].sum(),) == stored
    positives = retrained.ask(
        "select count(*) filter (feedback = 1) / count(*) from events where ingest_id = (select ingest_id from ingests where sequence = 2)"
    )
    drift = {(row["delivery_id"], row["figure"]): row["value"] for row in facts.tables["drift"].to_dicts()}
    assert drift["2026-01-03", "share of positives"] == pytest.approx(positives.item())


def test_sixty_nights_are_the_last_sixty(sixty: Path) -> None:
    facts = read_facts(sixty)
    assert facts.since == NIGHTS - 59
    assert facts.tables["deliveries"]["delivery_id"].to_list() == [f"day {n}" for n in range(5, NIGHTS + 1)]
    assert read_facts(sixty, nights=2).tables["releases"]["release_id"].to_list() == [NIGHTS - 1, NIGHTS]


def test_quarantine_is_counted_by_delivery_and_reason(sixty: Path) -> None:
    rows = read_facts(sixty).tables["quarantine"].filter(delivery_id="day 63").to_dicts()
    assert [(row["n_rows"], row["file"], row["first_line"]) for row in rows] == [(3, "day63.csv", 1)]


def test_the_panel_over_the_releases_is_the_mean_over_its_families(sixty: Path) -> None:
    """Night 64: 2.64 in the mean of 2.74 and 2.54; in the family learned in 3.14."""
    facts = read_facts(sixty)
    rows = {row["release_id"]: row for row in facts.over_releases if row["policy"] == "hsrl"}
    assert list(rows) == [8, 16, 24, 32, 40, 48, 56, 64]
    assert (rows[64]["mean"], rows[64]["own"]) == (pytest.approx(2.64), pytest.approx(3.14))
    [best, random] = facts.judged
    assert best["panel"] == pytest.approx({"attention": 2.74, "trees": 2.54}) and random["own"] == 0.5


def test_stages_stand_beside_what_was_usual(sixty: Path) -> None:
    """Ingest takes as many seconds as the night has a number: 64, usually 34 (the middle of 5 … 63)."""
    ingest, publish = read_facts(sixty).stages["daily-refresh"]
    assert ingest == {"stage": "ingest", "last": 64, "usual": 34, "longest": 63}
    assert publish["usual"] == 2.5


def test_a_run_that_died_is_killed_before_any_other_run_enters_it(retrained: World, tmp_path: Path) -> None:
    world = retrained.copy(tmp_path)
    with Warehouse.open(world.root) as warehouse:
        start_run(warehouse, "29991231T000000-daily-refresh-dead", "daily-refresh", "0.2", {})
    assert read_facts(world.root).last[0].outcome == "killed"


def test_a_rollback_is_told_and_the_retrain_before_it_stays_published(retrained: World, tmp_path: Path) -> None:
    """The rollback takes the policy back, which the gate had let through all the same."""
    world = retrained.copy(tmp_path)
    rollback(world.root, 1, Run("rollback"))
    facts = read_facts(world.root)
    assert [(run.flow, run.outcome, run.release_id) for run in facts.last[:2]] == [
        ("rollback", "published", 3),
        ("nightly-retrain", "published", 2),
    ]
    assert facts.tables["releases"]["is_withdrawn"].to_list() == [False, True, False]
    assert "with no policy" in page(facts)


def test_a_policy_that_the_gate_refused_is_said_so(retrained: World, tmp_path: Path) -> None:
    """As the ledger has it with the gate's words, and as one without them has it: the policy is not published."""
    world = retrained.copy(tmp_path)
    for message in ("'policy refused: -0.5 beside the incumbent'", "NULL"):
        with Warehouse.open(world.root) as warehouse, warehouse.transaction("refused", {}):
            warehouse.connection.execute(f"UPDATE runs SET message = {message} WHERE flow = 'nightly-retrain'")
            warehouse.connection.execute("UPDATE policies SET is_published = false")
        assert read_facts(world.root).last[0].outcome == "policy refused"


def test_a_fresh_warehouse_has_no_facts_but_can_be_asked(empty_warehouse: Path) -> None:
    facts = read_facts(empty_warehouse)
    assert (facts.release, facts.last, facts.judged, facts.since) == (None, (), (), 1)
    assert all(frame.is_empty() for frame in facts.tables.values())


def test_no_warehouse_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no warehouse at"):
        read_facts(tmp_path / "none")


def test_all_facts_are_plain_values(refused: World) -> None:
    plain = json.loads(json.dumps(read_facts(refused.root).plain(), default=str))
    assert plain["audits"][0]["audit"] == "delivery_drift" and len(plain["deliveries"]) == 3
    assert {"churn", "drift", "runs", "simulators", "disk", "judged"} <= plain.keys()


def test_asking_changes_nothing(retrained: World) -> None:
    def files() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in retrained.root.rglob("*") if path.is_file()}

    before = files()
    read_facts(retrained.root)
    assert files() == before


def test_a_single_judge_stands_for_its_group() -> None:
    """One judge of the family learned in, two of the panel with their joint row: three rows, not four."""

    def row(simulator: str, family: str, kind: str, reward: float) -> dict:
        made = {"policy": "hsrl", "policy_id": "p", "seed": 1, "kind": kind, "simulator_id": simulator, "family": family}
        return {**made, "total_reward": reward, "ci_low": reward, "ci_high": reward, "unsupported_share": 0.0}

    rows = [row("t", "latent", "transferred", 4.0), row("a", "trees", "panel", 1.0), row("b", "deep_sets", "panel", 3.0)]
    rows.append(row("a+b", "trees+deep_sets", "panel", 2.0))
    assert [(each["kind"], each["by_family"]) for each in pooled(rows)] == [
        ("transferred", {"latent": 4.0}),
        ("panel", {"trees": 1.0, "deep_sets": 3.0}),
    ]
    [found] = merged(pooled(rows))
    assert (found["mean"], found["own"], found["panel"]) == (2.0, 4.0, {"trees": 1.0, "deep_sets": 3.0})


def test_the_ledger_says_it_too(retrained: World) -> None:
    said = run_sql(retrained.root, "select message from runs where flow = 'nightly-retrain'").item()
    assert said == f"policy published: {retrained.report['gate']}"


def test_a_panel_of_a_single_family_is_a_panel_for_references_too() -> None:
    """A retrain with ``evaluation.families`` of one ended in a KeyError after it had published."""

    def row(policy: str, kind: str, family: str, reward: float) -> dict[str, Any]:
        policy_id = None if kind == "reference" else "p"
        interval = {"ci_low": reward - 1, "ci_high": reward + 1, "unsupported_share": 0.0}
        return {"policy": policy, "policy_id": policy_id, "seed": 0, "kind": kind, "total_reward": reward,
                "by_family": {family: reward}, **interval}  # fmt: skip

    found = merged(
        [
            row("random", "reference", "attention", 2.0),
            row("random", "reference", "trees", 3.0),
            row("hsrl", "transferred", "attention", 4.0),
            row("hsrl", "panel", "trees", 5.0),
        ]
    )
    assert [(each["policy"], each["panel"], each["own"], each["mean"]) for each in found] == [
        ("random", {"trees": 3.0}, 2.0, 3.0),
        ("hsrl", {"trees": 5.0}, 4.0, 5.0),
    ]

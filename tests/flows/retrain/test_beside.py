"""Supervised methods and the look-ahead oracle in the same table as the policy."""

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from flows.cli.rendering.nights import retrain as printed_retrain
from pipeline.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def beside(fitted: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    """A retrain with two other methods and the look-ahead oracle; not to be written."""
    world = fitted.copy(tmp_path_factory.mktemp("beside"))
    more = 'n_sessions = 40\nother_methods = ["item_sasrec", "token_sasrec"]\nlook_ahead = {n_rounds = 1, n_candidates = 5, n_sessions = 4}'
    return world, world.retrain(world.changed(("n_sessions = 40", more)))


def test_other_methods_are_judged_in_the_same_simulators(beside: Any) -> None:
    _, report = beside
    kinds = {(row["policy"], row["kind"]) for row in report["evaluation"]}
    methods, judges = ("hsrl", "item_sasrec", "token_sasrec"), ("own", "transferred", "panel")
    assert {(name, kind) for name in methods for kind in judges} < kinds
    assert ("look-ahead oracle", "reference") in kinds


def test_a_claim_is_of_what_the_other_tables_hold(beside: Any) -> None:
    """Differences by hand from the means, beside the first of the other methods."""
    world, _ = beside
    claims = world.ask("from claims order by policy").to_dicts()
    assert [(row["policy"], row["reference"]) for row in claims] == [("hsrl", "item_sasrec"), ("token_sasrec", "item_sasrec")]
    means = "select policy, total_reward from evaluations where policy_id is not null and contains(simulator_id, '+') and kind = "
    panel, own = (dict(world.ask(f"{means} '{kind}'").rows()) for kind in ("panel", "transferred"))
    auc = dict(world.ask("select policy, value from real_answers where metric = 'auc_in_slate'").rows())
    for row in claims:
        for name, figures in (("panel", panel), ("own", own), ("auc_in_slate_gain", auc)):
            assert row[name] == pytest.approx(figures[row["policy"]] - figures["item_sasrec"])
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        assert row["worst_family"] in ("attention", "frozen_attention")


PANEL = ("attention", "frozen_attention", "factorisation", "trees", "deep_sets")


def shown(report: dict[str, Any], width: int) -> list[str]:
    """What is printed of a retrain on a terminal so wide."""
    console = Console(width=width, record=True, file=StringIO())
    printed_retrain(console, report)
    return console.export_text().splitlines()


def test_what_is_printed_has_a_column_for_every_family_and_fits(beside: Any) -> None:
    """The mean of a panel of five families, each of them, the family learned in, people's answers, and a line for every claim."""
    _, report = beside
    (row,) = (row for row in report["evaluation"] if (row["policy"], row["kind"]) == ("hsrl", "panel"))
    (real,) = (row for row in report["real_answers"] if row["policy"] == "hsrl")
    five = {family: 10.5 + number for number, family in enumerate(PANEL)}
    wide = {
        **report,
        "evaluation": [{**row, "by_family": five} if len(row["by_family"]) > 1 else row for row in report["evaluation"]],
    }
    lines = shown(wide, 120)
    assert max(map(len, lines)) <= 120
    table = lines[lines.index(next(line for line in lines if line.startswith("total reward"))) : -2]
    cells = {columns[0]: columns for columns in (re.split(r"\s{2,}", line.strip()) for line in table)}
    heads = ["panel", "95 %", "attention", "frozen", "factors", "trees", "sets", "family", "support", "AUC", "NDCG"]
    assert re.split(r"\s+", " ".join(cells["policy"])) == ["policy", *" ".join(heads).split()]
    mean, *families = cells["hsrl"][1:2] + cells["hsrl"][3:8]
    assert (mean, families) == (f"{row['total_reward']:.2f}", [f"{figure:.2f}" for figure in five.values()])
    assert cells["hsrl"][-2:] == [f"{real[metric]:.3f}" for metric in ("auc_in_slate", "ndcg_in_slate")]
    claims = [line for line in lines if line.startswith("claim ")]
    for claimed, name in zip(report["claims"], ("hsrl", "token_sasrec"), strict=True):
        assert any(line.startswith(f"claim         {name} beside item_sasrec: {claimed['verdict']}") for line in claims)
    narrow = shown(wide, 80)
    assert max(map(len, narrow)) <= 80 and not any("factors" in line for line in narrow)
    assert any("(each family: --json)" in line for line in narrow)


def test_what_lives_in_the_sessions_memory_needs_one(refreshed: Any) -> None:
    with pytest.raises(ConfigError, match=r"simulator.preset saturating need .* set environment.memory"):
        refreshed.changed(("[simulator]\n", '[environment]\nmemory = 0\n[simulator]\npreset = "saturating"\n'))

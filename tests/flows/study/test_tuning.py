"""A tuned study: as many configurations for every method, chosen where they learned, told, kept, and judged once."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from flows.study import plan, results
from flows.study.plan import StudyRequest
from flows.study.reproduce import reproduce
from flows.study.study import BASE, Study, Variant
from flows.study.systems import TABLE2
from flows.study.tuning import RUNGS, configurations
from pipeline.errors import ConfigError
from tests.flows.study.test_reproduce import Heard

STUDY = Study(
    "Tuned",
    "A study.",
    base={"learner.method": "hsrl"},
    variants=(
        Variant(
            "item", {"learner.method": "item_sasrec"}, searched={"learner.exploration.temperature": (0.3, 1.0)}, block="Apart"
        ),
        Variant("token", {"learner.method": "token_sasrec"}),
    ),
    first_name="HSRL",
    is_tuned=True,
)


def test_every_method_tries_as_many_different_configurations() -> None:
    plain, own = configurations({}, 3), configurations({"learner.losses.pg_weight": (0.1, 1.0)}, 3)
    for found in (plain, own):
        assert len(found) == RUNGS[0].n_configurations == len({tuple(sorted(changes.items())) for changes in found})
    assert [changes.pop("learner.losses.pg_weight") for changes in own].count(0.1) == 4
    assert own == plain, "no method is offered a rate that another is not"
    assert configurations({}, 3) == plain != configurations({}, 4)


@pytest.mark.parametrize("rate", ["actor_lr", "critic_lr"])
def test_a_method_that_reads_a_single_rate_tries_as_many(rate: str) -> None:
    assert len({changes[f"learner.schedule.{rate}"] for changes in configurations({}, 0)}) == RUNGS[0].n_configurations


@pytest.mark.parametrize("name", ["HAC", "hac", "SL, online (HAC)", "sl_online"])
def test_a_row_is_asked_for_by_its_name_or_its_method(name: str) -> None:
    variants = [Variant(BASE), *TABLE2.variants]
    wanted = plan._wanted(variants, StudyRequest("table2", 1, None, Path(), only=(name,)))
    assert [variant.changes.get("learner.method") for variant in wanted[1:]] == ["sl_online" if "online" in name else "hac"]


@pytest.mark.parametrize("name", ["HSRL", "hsrl", BASE])
def test_the_first_row_alone_is_asked_for_as_pages_call_it(name: str) -> None:
    variants = [Variant(BASE), *TABLE2.variants]
    assert plan._wanted(variants, StudyRequest("table2", 1, None, Path(), only=(name,))) == variants[:1]


@pytest.mark.slow
def test_a_tuned_study(refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "STUDIES", {"tuned": STUDY})
    world, out = refreshed.copy(tmp_path), tmp_path / "out"

    def study(**request: Any) -> tuple[dict[str, Any], list[str]]:
        run = Heard()
        return reproduce(world.settings, world.root, run, StudyRequest("tuned", 1, 32, out, **request)), run.lines

    with pytest.raises(ConfigError, match="tuned has no variant 'items'; it has 'item', 'token'"):
        study(only=("items",))
    report, lines = study(only=("item",))
    assert [row["variant"] for row in report["variants"]] == ["HSRL", "item"]
    assert [line for line in lines if line.startswith("search")] == [
        f"search, round {number}: {2 * rung.n_configurations} trainings, 0 of them done already"
        for number, rung in enumerate(RUNGS, start=1)
    ]
    # Eight, four and two configurations of each method, and judges that took no part in the choice.
    found = world.ask("select study, count(distinct variant), count(distinct kind) from experiments group by 1 order by 1").rows()
    assert found[1:] == [("tuned, search 1", 16, 1), ("tuned, search 2", 8, 1), ("tuned, search 3", 4, 1)]
    assert world.ask("select distinct kind from experiments where study like 'tuned, search%'").rows() == [("own",)]
    # Whoever went on was the best of its round.
    best = world.ask(
        "select count(*) from (select changes, total_reward, study, max(total_reward) over (partition by study, config->>'$.learner.method') as best"
        " from experiments where study = 'tuned, search 3') where total_reward = best"
    ).item()
    assert best >= 2
    # The rows of the study itself hold what the search chose, as the settings of their trials do.
    judged = world.ask(
        "select variant, changes, config->>'$.learner.schedule.actor_lr' as rate from experiments where study = 'tuned' and kind <> 'reference'"
    )
    changes = {variant: json.loads(text) for variant, text, _ in judged.rows()}
    assert changes["item"].keys() - changes[BASE].keys() == {"learner.method", "learner.exploration.temperature"}
    assert all(json.loads(text)["learner.schedule.actor_lr"] == float(rate) for _, text, rate in judged.rows())
    # The last training is short as well: it begins to learn as early as those of the search, in proportion.
    early = (
        "select max((config->>'$.learner.schedule.learn_after')::int) from experiments where study = 'tuned' and seed is not null"
    )
    n_sessions = world.settings.learner.exploration.n_sessions
    assert world.ask(early).item() <= 32 * n_sessions // 4
    page = Path(report["files"][0]).read_text()
    assert "## Apart" in page and "chosen by the search" in page and "help it had" in page
    curves = pl.read_csv(out / "tuned-curves.csv")
    assert set(curves["variant"]) == {"HSRL", "item"} and curves["total_reward"].null_count() == 0
    assert Image.open(out / "tuned-curves.png").size[0] > 1000
    done, again = study(only=("item",))
    assert "search, round 1: 16 trainings, 16 of them done already" in again
    assert "2 variants, 2 trainings of 32 iterations, 2 of them done already; 7 simulators" in again
    assert report["estimated_cpu_seconds"] > 0 == done["estimated_cpu_seconds"]
    # One more seed of the first alone: pairs are of the seed that both have.
    monkeypatch.setattr(results, "N_BEST", 0)
    more, lines = study(only=("item",), n_best_seeds=2)
    assert lines[-1] == "2 seeds of what reaches most where it learned: HSRL"
    assert [row["n_seeds"] for row in more["variants"]] == [2, 1]
    assert more["estimated_cpu_seconds"] > 0 == study(only=("item",), n_best_seeds=2)[0]["estimated_cpu_seconds"]
    assert more["variants"][1]["difference"] == report["variants"][1]["difference"]
    assert more["variants"][0]["panel_reward"] != report["variants"][0]["panel_reward"]
    page = Path(more["files"][0]).read_text()
    assert "1 seed, 2 of the first row and of those that reach most" in page
    assert "rows are above *random*, " in page and "--seeds 1 --best-seeds 2" in page


@pytest.mark.slow
def test_a_budget_buys_each_method_its_own_iterations(refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study("Plain", "A study.", variants=(Variant("item", {"learner.method": "item_sasrec"}),))
    monkeypatch.setattr(plan, "STUDIES", {"plain": study})
    world = refreshed.copy(tmp_path)
    run = Heard()
    report = reproduce(world.settings, world.root, run, StudyRequest("plain", 1, None, tmp_path / "out", budget=1.5))
    lengths = {row["variant"]: row["n_iterations"] for row in report["variants"]}
    assert lengths["item"] > lengths[BASE] > 0
    again = reproduce(world.settings, world.root, Heard(), StudyRequest("plain", 1, None, tmp_path / "out", budget=1.5))
    assert {row["variant"]: row["n_iterations"] for row in again["variants"]} == lengths

"""Studies from end to end on a tiny world: told beforehand, kept, resumed, and written as pages and rows."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from flows.retrain.training import learn as learn_for_real
from flows.runtime.run import Run
from flows.study import judges, plan, trial
from flows.study import reproduce as flow
from flows.study.plan import StudyRequest
from flows.study.reproduce import reproduce
from flows.study.study import BASE, Stage, Study, Sweep, Variant
from hsrl_train.evaluation.claims import Verdict
from hsrl_train.simulator.martingale import Drift, Martingale
from pipeline.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """The configured variant and one without entropy; a sweep over codes a level; level weights."""
    study = Study(
        "Small", "A study.", variants=(Variant("no entropy", {"learner.losses.entropy_weight": 0.0}, 1.0),), published=2.0
    )
    configured = Variant("four codes", {"sids.vocabulary": 4})
    sweeps = Study("Swept", "A study.", variants=(configured,), sweeps=(Sweep("V, codes", "sids.vocabulary", (3, 200)),))
    with pytest.MonkeyPatch.context() as patched:
        known = {"small": study, "swept": sweeps, "weights": Study("Weights", "A study."), "panel": Study("Panel", "A study.")}
        known["staged"] = Study("Staged", "A study.", stages=(Stage("first", 0.0),))
        patched.setattr(plan, "STUDIES", known)
        yield


class Heard(Run):
    """A run whose lines are kept."""

    def __init__(self) -> None:
        super().__init__("reproduce")
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def study(world: Any, name: str, out: Path, n_seeds: int = 2) -> tuple[dict[str, Any], list[str]]:
    run = Heard()
    return reproduce(world.settings, world.root, run, StudyRequest(name, n_seeds, 50, out)), run.lines


def trained(monkeypatch: pytest.MonkeyPatch, dies_at: int | None = None) -> list[str]:
    """Variant and seed of every training from now on; the process is interrupted before that number."""
    seen: list[str] = []

    def learn(workspace: Any, world: Any, job: Any, tick: Any, real: Any = learn_for_real) -> float:
        if len(seen) == dies_at:
            raise KeyboardInterrupt
        seen.append(f"{job.learner.losses.entropy_weight:g} {job.seed}")
        return real(workspace, world, job, tick)

    monkeypatch.setattr(trial, "learn", learn)
    return seen


@pytest.fixture(scope="module")
def done(refreshed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any], list[str], Path]:
    """The small study in two seeds; not to be written."""
    folder = tmp_path_factory.mktemp("study")
    world = refreshed.copy(folder)
    return world, *study(world, "small", folder / "out"), folder / "out"


def test_a_study_tells_what_it_takes_and_writes_a_page_a_table_and_a_picture(done: Any) -> None:
    world, _, lines, out = done
    assert lines[0] == "2 variants, 4 trainings of 50 iterations, 0 of them done already; 7 simulators"
    assert lines[1].startswith("about ") and "CPU seconds to go" in lines[1]
    page = (out / "small.md").read_text()
    assert page.startswith("# Small\n") and "| no entropy | 1.00 |" in page and "| popular slate |" in page
    with (out / "small.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == [BASE, "no entropy"] and rows[0]["difference"] == ""
    panel = [float(row["panel_reward"]) for row in rows]
    assert float(rows[1]["difference"]) == pytest.approx(panel[1] - panel[0])
    families = [float(rows[1][f"in_{family}"]) for family in ("attention", "frozen_attention")]
    assert panel[1] == pytest.approx(sum(families) / 2)
    assert rows[0]["verdict"] == "" and rows[1]["verdict"] in get_args(Verdict)
    n_sessions = world.ask("select sum(n_sessions) from experiments").item()
    law = f"; the temper law (docs/protocol.md) holds in every one of {n_sessions:,} sessions"
    assert f"sessions may show items again: 41.11% of the log's places do{law}" in page
    assert Image.open(out / "small.png").size[0] > 1000
    assert world.ask("select count(*) from policies").item() == 0 and world.ask("from releases").height == 1
    assert world.ask("select status from runs where flow = 'reproduce'").item() == "completed"
    assert not list((world.root / "staging").glob("training/*"))


def test_a_study_enters_every_judgement(done: Any) -> None:
    """Two variants by two seeds, in one simulator that taught, two judges of its family and four of others; six reference rows."""
    world, report, *_ = done
    found = world.ask("select kind, count(*), count(distinct simulator_id) from experiments group by 1 order by 1").rows()
    assert found == [("own", 4, 1), ("panel", 16, 4), ("reference", 36, 6), ("transferred", 8, 2)]
    means = dict(world.ask("select variant, avg(total_reward) from experiments where kind = 'transferred' group by 1").rows())
    assert means == {row["variant"]: pytest.approx(row["transferred"]) for row in report["variants"]}
    assert (
        world.ask("select count(*) from experiments where temper_law <= (config->>'$.environment.temper0')::double - 1").item()
        == 0
    )
    assert set(world.ask("select distinct changes from experiments")[:, 0]) == {"{}", '{"learner.losses.entropy_weight": 0.0}'}


def test_a_study_that_was_killed_goes_on_where_it_was(refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the third of four trainings: two are left, and the page is that of an unbroken study."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    broken, whole = refreshed.copy(tmp_path / "a"), refreshed.copy(tmp_path / "b")
    with monkeypatch.context() as patched:
        trained(patched, dies_at=2)
        with pytest.raises(KeyboardInterrupt):
            study(broken, "small", tmp_path / "a" / "out")
    assert broken.ask("from experiments").is_empty()
    seen = trained(monkeypatch)
    report, lines = study(broken, "small", tmp_path / "a" / "out")
    assert seen == ["0 5", "0 6"] and "2 of them done already" in lines[0]
    unbroken, _ = study(whole, "small", tmp_path / "b" / "out")
    for one, other in zip(report["variants"], unbroken["variants"], strict=True):
        assert {**one, "cpu_seconds": 0} == {**other, "cpu_seconds": 0}
    seen.clear()
    again, lines = study(whole, "small", tmp_path / "b" / "out", n_seeds=3)  # one more seed of each
    assert seen == ["0.001 7", "0 7"] and again["variants"][0]["n_seeds"] == 3


def test_other_semantic_ids_are_learned_for_the_study_only(refreshed: Any, tmp_path: Path) -> None:
    """Three codes a level instead of four; two hundred are more than there are items, which is told and left out, as is what
    the configuration has anyway."""
    world = refreshed.copy(tmp_path)
    report, lines = study(world, "swept", tmp_path / "out", 1)
    assert [row["variant"] for row in report["variants"]] == [BASE, "V = 3"]
    assert report["skipped"][0] == ["four codes", "it is the configured one"]
    assert report["skipped"][1][0] == "V = 200" and any(
        line.startswith("V = 200 is left out: codebook: level 1") for line in lines
    )
    assert world.ask("select count(distinct codebook_id) from codebooks").item() == 1
    assert "V = 200 was left out" in (tmp_path / "out" / "swept.md").read_text()


def test_level_weights_are_told_over_the_training(refreshed: Any, tmp_path: Path) -> None:
    """Two levels, three weights, which sum to 1 at every point."""
    world = refreshed.copy(tmp_path)
    study(world, "weights", tmp_path / "out", 1)
    with (tmp_path / "out" / "weights-curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["iteration"]] = sums.get(row["iteration"], 0) + float(row["weight"])
    assert {row["level"] for row in rows} == {"0", "1", "2"} and list(sums.values()) == pytest.approx([1.0] * len(sums))
    assert "Order: w" in (tmp_path / "out" / "weights.md").read_text()


def test_the_panels_page_tells_of_its_judges(refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher judged on the test, two judges of its family and four of others, on what they were fitted on. This world's users have seen
    everything, so that nothing is left to be followed while others are shown, which the page says; else it has what was found."""
    world, out = refreshed.copy(tmp_path), tmp_path / "out"
    report, _ = study(world, "panel", out, 1)
    found = [(row["family"], row["fit_on"], row["judged_on"], row["drift"]) for row in report["judges"]]
    others = [(family, "all", "in-sample", None) for family in ("attention", "frozen_attention", "latent") for _ in range(2)]
    assert found == [("latent", "train", "test", None), *others]
    page = Path(report["files"][0]).read_text()
    assert "- Drift was left out: martingale: a user has" in page and "| latent | train | 6 | test |" in page
    answers, forecasts = Drift(0.04, 0.035, 0.045, 0.0, -0.01, 0.01), Drift(0.0, 0.0, 0.01, 0.0, -0.01, 0.01)
    drifting = Martingale(answers, answers, forecasts, forecasts, bound=0.03)
    monkeypatch.setattr(judges, "audit_martingale", lambda *_: drifting)
    study(world, "panel", out, 1)
    assert Path(report["files"][0]).read_text().count("| 0.0400 [0.0350 … 0.0450] | 0.0000 [0.0000 … 0.0100] | no |") == 7


def test_an_unknown_study_is_refused(refreshed: Any, tmp_path: Path) -> None:
    world = refreshed.copy(tmp_path)
    with pytest.raises(ConfigError, match="reproduce: unknown study ablations; known are small, swept"):
        flow.reproduce(world.settings, world.root, Heard(), StudyRequest("ablations", 1, 50, tmp_path / "out"))
    with pytest.raises(ConfigError, match="staged learns every row with as many seeds; leave --best-seeds out"):
        flow.reproduce(world.settings, world.root, Heard(), StudyRequest("staged", 1, 50, tmp_path / "out", n_best_seeds=2))


def test_a_page_names_the_whole_command() -> None:
    request = StudyRequest("table2", 3, None, Path("out"), 20.0, ("A2C",), "ml-1m", "calibrated")
    assert request.words == 'table2 --data ml-1m --simulator calibrated --seeds 3 --budget 20 --only "A2C"'
    assert StudyRequest("ablation", 5, 400, Path("out")).words == "ablation --seeds 5 --iterations 400"

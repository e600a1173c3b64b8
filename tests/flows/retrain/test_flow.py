"""A night's training, judged and published: what is entered, what is not done twice, what is continued, and what is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

from flows.refresh.request import RefreshRequest
from flows.retrain import flow, judging, training
from flows.retrain.judging import real_answers_of
from flows.runtime.run import Run
from flows.runtime.steps import DirectSteps
from flows.stores import policies
from flows.stores.pinned import pin_latest
from hsrl_train.data.world import Catalogue, State
from hsrl_train.evaluation.baselines import ConstantSlate, popular_slate
from hsrl_train.evaluation.real_answers import RealAnswers
from pipeline.errors import TrainingError, WarehouseError
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.warehouse import Warehouse

REFERENCES = ["SID oracle", "best constant slate", "greedy oracle", "popular slate", "random", "transfer oracle"]


@dataclass(frozen=True)
class MostLiked(ConstantSlate):
    """The most liked slate for everybody, who are said to like an item as often as all of them did."""

    likes: Tensor | None = None

    def scores(self, state: State, items: Tensor) -> Tensor:
        assert self.likes is not None
        return self.likes[items]


class Meanwhile(DirectSteps):
    """Direct steps, where something happens right before the training, which may also be handed another tick."""

    def __init__(self, before: Callable[[], Any], tick: Callable[[int, int], None] | None = None) -> None:
        super().__init__()
        self.before = before
        self.tick = tick

    def run(self, name: str, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        if name == "training":
            self.before()
            arguments = (*arguments[:-1], self.tick or arguments[-1])
        return super().run(name, function, *arguments, **named)


def weights_of(world: Any) -> list[str]:
    return [sha256_of(file) for file in sorted(world.root.glob("artifacts/policy/*/policy.safetensors"))]


def test_a_policy_is_published_with_everything_it_came_from(retrained: Any) -> None:
    assert retrained.report["status"] == "published"
    policy = retrained.ask("from policies").row(0, named=True)
    assert policy["is_published"] and policy["policy_id"] == retrained.report["policy_id"]
    assert policy["codebook_id"] == retrained.ask("select distinct codebook_id from sids").item()
    fitted = retrained.ask("select family, fit_on, seed, judged_on from simulators order by fit_on, family, seed").rows()
    judging = [
        (family, "all", seed, "in-sample") for family in ("attention", "frozen_attention", "latent") for seed in (106, 107)
    ]
    assert fitted == [*judging, ("latent", "train", 6, "test")]
    assert policy["simulator_ids"] == retrained.ask("select simulator_id from simulators where fit_on = 'train'")[:, 0].to_list()
    assert retrained.ask("select max(iteration) from training_curves where metric <> 'foresight_reward'").item() == 60
    assert retrained.ask("select iteration from training_curves where metric = 'foresight_reward'").rows() == [(61,)]
    kept = retrained.ask("select path, sha256 from artifacts where kind in ('policy', 'simulator')").rows()
    assert len(kept) == 6  # frozen attention has the tensors of attention
    assert all(sha256_of(retrained.root / path) == sha256 for path, sha256 in kept)


def test_a_policy_is_judged_beside_every_reference_row(retrained: Any) -> None:
    """Two judges of the family learned in and two of each of two others: a line in each, one for the family and one for the panel; the
    policy also in the simulator that it learned in."""
    rows = retrained.ask("select policy, kind, count(*) n from evaluations group by all order by kind, policy").rows()
    references = [(name, "reference", 8) for name in REFERENCES]
    assert rows == [("hsrl", "own", 1), ("hsrl", "panel", 5), *references, ("hsrl", "transferred", 3)]
    whole = "select distinct kind, family, n_sessions from evaluations where contains(simulator_id, '+') and policy = 'hsrl' order by 1"
    panel = "attention+frozen_attention"
    assert retrained.ask(whole).rows() == [("panel", panel, 160), ("transferred", "latent", 80)]
    assert {row["policy"] for row in retrained.report["evaluation"]} == {"hsrl", *REFERENCES}


def test_the_mean_of_a_panel_is_that_of_its_families(retrained: Any) -> None:
    """What each judge entered, by hand: first over the judges of a family, then over families."""
    by_family = "select family, avg(total_reward) r from evaluations where policy = 'hsrl' and kind = 'panel' and not contains(family, '+')"
    panel = "select total_reward, ci_low, ci_high from evaluations where policy = 'hsrl' and contains(family, '+')"
    mean, low, high = retrained.ask(panel).row(0)
    means = dict(retrained.ask(f"{by_family} group by 1").rows())
    assert mean == pytest.approx(sum(means.values()) / 2) and low < mean < high
    (row,) = (row for row in retrained.report["evaluation"] if row["kind"] == "panel")
    assert row["by_family"] == pytest.approx(means)


def test_peoples_own_answers_stand_beside_the_panel(retrained: Any) -> None:
    """Three figures of each ranking over one split, and how well calibrated scores are that mean probabilities."""
    rows = retrained.ask("from real_answers").to_dicts()
    found = {(row["policy"], row["metric"]): row for row in rows}
    metrics = ("auc_in_slate", "ndcg_in_slate", "ndcg_of_later_items")
    assert set(found) > {(name, metric) for name in ("hsrl", "item like-rate", "item popularity") for metric in metrics}
    intervals = [row for row in rows if row["metric"] in metrics]
    assert all(0 <= row["value"] <= 1 and row["ci_low"] < row["value"] < row["ci_high"] for row in intervals)
    n_slates = retrained.ask("select count(*) from records where split = 'test'").item()
    assert {row["n_slates"] for row in rows} == {n_slates} and all(0 < row["n_users"] <= 40 for row in rows)
    assert retrained.ask("select count(*) from claims").item() == 0  # nothing to be compared with


def test_what_a_retrain_made_names_what_it_saw_and_no_release(retrained: Any) -> None:
    """A simulator: the records and the model of items and users, or one whose tensors it has; a policy: all that it saw."""
    made_from = "select list(distinct input_kind order by input_kind) from lineage where kind = ?"
    kinds = {kind: retrained.ask(made_from.replace("?", f"'{kind}'")).item().to_list() for kind in ("simulator", "policy")}
    assert kinds == {"simulator": ["embedding_model", "records", "simulator"], "policy": ["codebook", "records", "simulator"]}
    nights = retrained.ask("select id from lineage where kind = 'records' and input_kind = 'ingest' group by id")["id"].to_list()
    assert nights == ["records:1"]


def test_every_row_obeys_the_law_of_patience(retrained: Any) -> None:
    """(1 + K) · depth − K · reward > 19 for K = 10, as the leave model has it; at most 20 slates of reward 1 each."""
    law = "abs((1 + slate_size) * depth - slate_size * total_reward - temper_law) <= 1e-9 and temper_law > temper0 - 1"
    broken = f"not ({law} and depth <= max_steps and total_reward <= max_steps)"
    assert retrained.ask(f"select count(*) from evaluations where {broken}").item() == 0
    outside = "total_reward not between ci_low and ci_high or total_reward_sd < 0 or gini not between 0 and 1"
    assert retrained.ask(f"select count(*) from evaluations where {outside}").item() == 0


def test_a_second_retrain_on_the_same_release_trains_and_publishes_nothing_and_tells_how_far_the_judging_is(
    retrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.runtime.run.LINE_SECONDS", 0.0)
    world = retrained.copy(tmp_path)
    capsys.readouterr()
    again = world.retrain()
    judged = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluation: ")]
    n_sessions = 40 * (6 * (len(REFERENCES) + 1) + 1)  # six judges of all rows, and the policy where it learned
    assert judged[-1] == f"evaluation: {n_sessions:,} of {n_sessions:,}" and len(judged) > 2 * len(REFERENCES)
    assert again["status"] == "nothing new" and again["training_cpu_seconds"] == 0
    assert again["evaluation"] == retrained.report["evaluation"]
    assert world.ask("select max(release_id) from releases").item() == 2
    assert world.ask("select status from runs order by started_at desc limit 1").item() == "nothing new"


def test_a_training_that_was_killed_goes_on_to_the_same_policy(
    refreshed: Any, retrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at iteration 30 of 60, after the checkpoint of iteration 20: iterations 21 … 60 are left; killed then in the search for
    foresight, that alone is left; and the bytes are equal.

    A checkpoint that was cut short meanwhile is an error, not a fresh start.
    """
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 20)
    world = refreshed.copy(tmp_path)
    seen: list[int] = []

    def killed_at(last: int) -> None:
        def tick(iteration: int, _: int) -> None:
            seen.append(iteration)
            if iteration == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            world.retrain(steps=Meanwhile(lambda: None, tick))

    killed_at(30)
    (checkpoint,) = world.root.glob("staging/training/*/checkpoint.safetensors")
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:100])
    with pytest.raises(TrainingError, match=r"checkpoint.safetensors: .* train again with: hsrl retrain"):
        world.retrain()
    assert weights_of(world) == [] and world.ask("from policies").is_empty()
    checkpoint.write_bytes(whole)
    seen.clear()
    killed_at(61)
    assert seen == list(range(21, 62))
    seen.clear()
    spent = float(load_file(checkpoint)["cpu_seconds"])
    report = world.retrain(steps=Meanwhile(lambda: None, lambda iteration, _: seen.append(iteration)))
    assert seen == [61] and report["training_cpu_seconds"] > spent > 0
    assert weights_of(world) == weights_of(retrained)
    assert report["evaluation"] == retrained.report["evaluation"]
    assert not list(world.root.glob("staging/training/*"))


def test_a_policy_of_another_codebook_is_refused(fitted: Any, tmp_path: Path) -> None:
    """While the policy learns, a refresh makes new Semantic IDs of five codes a level."""
    world = fitted.copy(tmp_path)
    other = world.changed(("vocabulary = 4", "vocabulary = 5"))
    with pytest.raises(WarehouseError, match=r"the codebook changed from .* train again with: hsrl retrain"):
        world.retrain(steps=Meanwhile(lambda: world.refresh(other, RefreshRequest(rebuild=True))))
    assert world.ask("from policies").is_empty() and world.ask("from evaluations").is_empty()
    assert world.ask("select status from runs where flow = 'nightly-retrain'").item() == "failed"


def test_a_night_of_new_events_does_not_stop_a_policy(fitted: Any, tmp_path: Path) -> None:
    """A fourth day is published while the policy learns: the codebook is the same, so that the policy fits."""
    world = fitted.copy(tmp_path)
    report = world.retrain(steps=Meanwhile(lambda: world.refresh(world.changed(("days = 3", "days = 4")))))
    assert (report["learned_from_release"], report["release_id"]) == (1, 3)


def test_the_gate_keeps_a_worse_policy_from_being_published(
    retrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incumbent shows everyone the most liked slate, which 61 iterations do not reach; the refused policy stays on record."""

    def most_liked(_: object, __: str, catalogue: Catalogue) -> MostLiked:
        return MostLiked(popular_slate(catalogue).ranking, likes=catalogue.popularity)

    world = retrained.copy(tmp_path)
    monkeypatch.setattr(judging, "load_policy", most_liked)
    report = world.retrain(world.changed(("n_iterations = 60", "n_iterations = 61")))
    assert report["status"] == "policy refused" and report["gate"].startswith("-")
    published = dict(world.ask("select policy_id, is_published from policies").rows())
    assert published == {retrained.report["policy_id"]: True, report["policy_id"]: False}
    assert world.ask("select kind, count(*) from evaluations where policy = 'incumbent' group by 1").rows() == [("panel", 5)]


def test_the_gate_asks_people_too(retrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the panel not worse, but people's own answers stand beside an incumbent that ranks every slate without a fault."""

    def faultless(world: Any, name: str, *others: Any) -> RealAnswers:
        found = real_answers_of(world, name, *others)
        perfect = {metric: sums[:, [1, 1]] for metric, sums in found.figures.items()}
        return replace(found, figures=perfect) if name == "incumbent" else found

    world = retrained.copy(tmp_path)
    monkeypatch.setattr(judging, "real_answers_of", faultless)
    report = world.retrain(world.changed(("n_iterations = 60", "n_iterations = 61")))
    assert report["status"] == "policy refused"
    assert re.search(r"; on people's own answers auc_in_slate -0\.\d+, ndcg_in_slate -0\.\d+$", report["gate"])


def test_a_policy_that_is_not_worse_takes_the_place_of_the_incumbent(retrained: Any, tmp_path: Path) -> None:
    """One more iteration: not worse beyond the interval."""
    world = retrained.copy(tmp_path)
    report = world.retrain(world.changed(("n_iterations = 60", "n_iterations = 61")))
    assert report["status"] == "published"
    assert world.ask("select policy_id from policies where is_published").item() == report["policy_id"]
    assert world.ask("select count(*) from policies").item() == 2


def test_a_warehouse_without_a_release_has_nothing_to_learn_from(refreshed: Any, tmp_path: Path) -> None:
    Warehouse.create_or_open(tmp_path / "empty").close()
    with pytest.raises(WarehouseError, match="nothing is published yet; begin with: hsrl refresh"):
        flow.retrain(refreshed.settings, tmp_path / "empty", Run("nightly-retrain"), DirectSteps())


def test_a_warm_start_begins_at_the_published_policy_and_once(retrained: Any, tmp_path: Path) -> None:
    """The night after begins where the published policy stands; asked again it finds that done, and learns nothing on top of it."""
    world = retrained.copy(tmp_path)
    warm = world.changed(("n_processes = 1", "n_processes = 1\nwarm_start = true"))
    same = world.retrain(warm)  # the published policy is what these settings make: nothing to learn
    assert same["status"] == "nothing new" and same["policy_id"] == retrained.report["policy_id"]
    world.refresh(world.changed(("days = 3", "days = 4")))
    warm = world.changed(("days = 3", "days = 4"), ("n_processes = 1", "n_processes = 1\nwarm_start = true"))
    report = world.retrain(warm)
    with Warehouse.open(world.root) as warehouse:
        assert policies.started_from(warehouse.artifacts, report["policy_id"]) == retrained.report["policy_id"]
    if report["status"] == "published":
        assert world.retrain(warm)["policy_id"] == report["policy_id"]


def test_after_a_rebuild_a_warm_start_begins_at_the_policy_before_it(retrained: Any, tmp_path: Path) -> None:
    """The new codes took the numbers of the old, so that the old heads are a start; with more codes a level they are none."""
    world = retrained.copy(tmp_path)
    report = world.refresh(world.changed(("days = 3", "days = 4")), RefreshRequest(rebuild=True))
    figures = report["sid_metrics"]
    assert figures["kept_share"] == 0.0  # none is kept, as the codes mean something else
    assert figures["kept_numbers_share"] >= figures["kept_numbers_unaligned_share"]
    warm = world.changed(("days = 3", "days = 4"), ("n_processes = 1", "n_processes = 1\nwarm_start = true"))
    learned = world.retrain(warm)["policy_id"]
    with Warehouse.open(world.root) as warehouse:
        assert policies.started_from(warehouse.artifacts, learned) == retrained.report["policy_id"]
    world.refresh(world.changed(("days = 3", "days = 4"), ("vocabulary = 4", "vocabulary = 5")), RefreshRequest(rebuild=True))
    with Warehouse.open(world.root) as warehouse:
        assert pin_latest(warehouse, retrained.settings.source.name, 500).older_policy is None


def test_a_warm_start_from_another_network_is_refused(retrained: Any, tmp_path: Path) -> None:
    world = retrained.copy(tmp_path)
    with pytest.raises(TrainingError, match="^warm start, published policy: .* have another shape"):
        world.retrain(world.changed(("n_processes = 1", "n_processes = 1\nwarm_start = true"), ("width = 8", "width = 16")))
    assert world.ask("select count(*) from policies").item() == 1


def test_a_training_ends_on_its_plateau(fitted: Any, tmp_path: Path) -> None:
    """Judged every ten of sixty iterations by one session that is always the same: two judgements without gain end it."""
    world = fitted.copy(tmp_path)
    early = "n_processes = 1\njudge_every = 10\njudge_sessions = 1\nstop_after_flat = 1"
    world.retrain(world.changed(("n_processes = 1", early)))
    n_iterations = world.ask("select n_iterations from policies").item()
    judged = world.ask("select iteration, value from training_curves where metric = 'judged_reward' order by 1").rows()
    assert n_iterations < 60 and judged[-1][0] == n_iterations
    assert judged[-1][1] <= max(value for _, value in judged[:-1])

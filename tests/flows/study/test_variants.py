"""Studies as data: every variant fits, changes what it says and nothing else."""

from pathlib import Path

import pytest

from flows.runtime.settings import Settings, load_settings
from flows.study.study import BASE
from flows.study.variants import STUDIES, applied, variants_of
from hsrl_train.learner.config import LearnerConfig
from pipeline.errors import ConfigError

CONFIGS = Path(__file__).parents[3] / "flows" / "configs"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """V = 256, L = 3, 2,500 iterations; preset best."""
    return load_settings(CONFIGS / "ml-1m-ranked.toml", tmp_path)


@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_fits_and_differs(settings: Settings, name: str) -> None:
    base = applied(settings, STUDIES[name].base)
    variants = list(variants_of(STUDIES[name], base.model_dump()))
    assert variants[0].name == BASE and len({one.name for one in variants}) == len(variants)
    made = [applied(base, one.changes).model_dump_json() for one in variants]
    again = [one.name for one, its in zip(variants, made, strict=True) if made.count(its) > 1]
    assert again in ([], [BASE, "one training simulator"])  # as this file configures it; left out, and said so


def test_the_paper_has_its_four_ablations_and_three_sweeps() -> None:
    published = {one.name: one.published for one in STUDIES["ablation"].variants if one.published}
    assert sorted(published.values()) == [9.766, 10.175, 10.734, 11.254]
    assert [sweep.setting for sweep in STUDIES["sensitivity"].sweeps] == [
        "learner.losses.entropy_weight",
        "sids.vocabulary",
        "sids.levels",
    ]


def test_the_configured_value_of_a_sweep_is_no_second_variant(settings: Settings) -> None:
    assert [one.at for one in variants_of(STUDIES["sensitivity"], settings.model_dump()) if one.panel.startswith("V")] == [
        16,
        32,
        64,
        128,
    ]


def test_another_preset_takes_the_place_of_what_the_first_one_set(settings: Settings) -> None:
    """2,500 iterations are the file's own and stay; likelihood and rates are the preset's, there and back."""
    paper = applied(settings, {"learner.preset": "paper"})
    assert paper.learner == LearnerConfig.model_validate({"preset": "paper", "schedule": {"n_iterations": 2500}})
    assert applied(paper, {"learner.preset": "best"}).learner == settings.learner


@pytest.mark.parametrize("preset", ["saturating", "released"])
def test_another_preset_of_the_simulator_brings_its_family(settings: Settings, preset: str) -> None:
    """As ``hsrl reproduce … --simulator saturating`` asks: all else that the file says of the simulator stays, there and back."""
    other = applied(settings, {"simulator.preset": preset}).simulator
    assert (other.preset, other.family, other.n_training) == (preset, "attention", settings.simulator.n_training)
    assert (
        applied(settings.model_copy(update={"simulator": other}), {"simulator.preset": "calibrated"}).simulator
        == settings.simulator
    )


def test_a_family_that_the_file_names_stays(settings: Settings) -> None:
    named = settings.model_copy(update={"simulator": settings.simulator.model_copy(update={"family": "factorisation"})})
    with pytest.raises(ConfigError, match="preset released is of family attention, family is factorisation"):
        applied(named, {"simulator.preset": "released"})


def test_a_variant_keeps_what_the_environment_says(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One section of the file, one key of it from the environment: a change elsewhere leaves both as they are."""
    monkeypatch.setenv("HSRL_EVALUATION__N_SESSIONS", "77")
    given = load_settings(CONFIGS / "generated.toml", tmp_path)
    assert given.evaluation.n_simulators == 1 and given.evaluation.n_sessions == 77
    assert applied(given, {"learner.losses.gamma": 0.0}).evaluation == given.evaluation


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learner.pg_weight": 0.1}, "learner.pg_weight is now learner.losses.pg_weight"),
        ({"learner.network.width": 33}, "no multiple of n_heads"),
        ({"environment.memory": 0}, "set environment.memory"),
    ],
)
def test_a_variant_that_does_not_fit_is_refused(settings: Settings, changes: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"^variant .*{told}.*; change what it does not fit in the configuration$"):
        applied(settings, changes)

"""Presets and what the section refuses."""

import pytest
from pydantic import ValidationError

from hsrl_train.learner.config import PRESETS, LearnerConfig


def test_the_default_is_best() -> None:
    assert LearnerConfig() == LearnerConfig(preset="best")


def test_what_is_given_stands_above_the_preset() -> None:
    config = LearnerConfig(preset="paper", gamma=0.5, advantage="item")
    assert (config.likelihood, config.gamma, config.advantage) == ("positives", 0.5, "item")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_saved_section_reads_back(preset: str) -> None:
    config = LearnerConfig(preset=preset)  # type: ignore[arg-type]
    assert LearnerConfig(**config.model_dump()) == config


@pytest.mark.parametrize(
    "given",
    [
        {"gama": 0.9},
        {"preset": "bset"},
        {"width": 30, "n_heads": 4},
        {"gamma": 1.1},
        {"learn_after": 200, "replay_capacity": 100},
    ],
)
def test_misspelt_and_impossible_settings_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LearnerConfig(**given)  # type: ignore[arg-type]


def test_every_field_is_described() -> None:
    assert all(field.description and field.description.endswith(".") for field in LearnerConfig.model_fields.values())

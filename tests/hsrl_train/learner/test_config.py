"""Presets, sections, and what the section refuses."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.learner.config import PRESETS, LearnerConfig, flat
from hsrl_train.learner.methods import METHODS
from hsrl_train.renamed_settings import RENAMED


def test_the_default_is_best() -> None:
    assert LearnerConfig() == LearnerConfig(preset="best")


def test_what_is_given_stands_above_the_preset() -> None:
    """Of a section that both name, the rest is the preset's."""
    config = LearnerConfig.model_validate({"preset": "paper", "losses": {"gamma": 0.5, "advantage": "item"}})
    assert (config.losses.likelihood, config.losses.gamma, config.losses.advantage) == ("positives", 0.5, "item")
    assert config.schedule.actor_lr == 5e-5 and config.network.critic_trains_encoder


@pytest.mark.parametrize("preset", PRESETS)
def test_a_saved_section_reads_back(preset: str) -> None:
    config = LearnerConfig(preset=preset)  # type: ignore[arg-type]
    assert LearnerConfig(**config.model_dump()) == config
    assert LearnerConfig.model_validate_json(config.model_dump_json()) == config


def test_changes_are_checked_and_leave_the_rest() -> None:
    paper = LearnerConfig(preset="paper")
    changed = paper.changed({"losses": {"gamma": 0.0}, "network": {"width": 8}})
    assert changed.losses == paper.losses.model_copy(update={"gamma": 0.0}) and changed.network.width == 8
    assert changed.schedule == paper.schedule
    with pytest.raises(ValidationError, match="no multiple of n_heads"):
        paper.changed({"network": {"width": 30}})


@pytest.mark.parametrize(
    "given",
    [
        {"gama": 0.9},
        {"losses": {"gama": 0.9}},
        {"preset": "bset"},
        {"method": "hslr"},
        {"network": {"width": 30, "n_heads": 4}},
        {"losses": {"gamma": 1.1}},
        {"schedule": {"learn_after": 200, "replay_capacity": 100}},
    ],
)
def test_misspelt_and_impossible_settings_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LearnerConfig.model_validate(given)


def test_an_unknown_method_names_those_there_are() -> None:
    *names, last = map(repr, METHODS)
    known = f"Input should be {', '.join(names)} or {last}"
    with pytest.raises(ValidationError, match=known):
        LearnerConfig(method="sasrec")
    with pytest.raises(ValidationError, match=known):
        EvaluationConfig(other_methods=("sasrec",))
    assert EvaluationConfig(other_methods=tuple(METHODS)).other_methods == tuple(METHODS)


def test_a_name_of_before_is_refused_with_the_new_one() -> None:
    told = "learner.pg_weight is now learner.losses.pg_weight, learner.foresight_rounds is now learner.search.n_rounds"
    with pytest.raises(ValidationError, match=told):
        LearnerConfig.model_validate({"pg_weight": 0.2, "foresight_rounds": 6})
    with pytest.raises(ValidationError, match="evaluation.beside is now evaluation.other_methods"):
        EvaluationConfig.model_validate({"beside": ["item_sasrec"]})


# Sections whose keys lay in one flat list before, and keys that came after they had sections.
OLD_SECTIONS = [["learner", name] for name in ("network", "exploration", "decoding", "losses", "schedule", "search")]
SINCE = {"learner.losses.log_share", "learner.network.critic", "learner.losses.ratio_clip", "learner.decoding.sid_share"}


def test_every_renamed_setting_exists_under_its_new_name() -> None:
    sections: dict[str, Any] = {"learner": LearnerConfig().model_dump(), "evaluation": EvaluationConfig().model_dump()}
    assert set(RENAMED.values()) <= set(flat(sections))
    flat_before = {name for name in flat(sections) if name.split(".")[:2] in OLD_SECTIONS} - SINCE
    assert flat_before == {new for new in RENAMED.values() if new.startswith("learner.")}


def test_every_field_is_described() -> None:
    def described(section: type[BaseModel]) -> bool:
        inner = [type(value) for value in vars(section()).values() if isinstance(value, BaseModel)]
        fields = section.model_fields.values()
        return all(field.description and field.description.endswith(".") for field in fields) and all(map(described, inner))

    assert described(LearnerConfig) and described(EvaluationConfig)

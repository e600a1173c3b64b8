"""Learner configurations by the bare names of their settings."""

from collections.abc import Mapping
from typing import Any

from hsrl_train.learner.config import LearnerConfig
from hsrl_train.renamed_settings import RENAMED

_SECTIONS = {
    name: (section, name)
    for setting in RENAMED.values()
    if setting.startswith("learner.") and not setting.startswith("learner.search.")
    for _, section, name in (setting.split("."),)
} | {"log_share": ("losses", "log_share"), "ratio_clip": ("losses", "ratio_clip"), "critic": ("network", "critic")}


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``width`` goes to ``network`` and so on; the settings of ``search`` are given as a section."""
    sections: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _SECTIONS:
            section, key = _SECTIONS[name]
            sections.setdefault(section, {})[key] = value
        else:
            sections[name] = value
    return sections


def learner_config(**settings: Any) -> LearnerConfig:
    """A configuration with these settings; see ``nested``.

    The slates and answers of a test's records are mostly made up, so that nothing is learned from them unless ``log_share`` is given.
    """
    return LearnerConfig.model_validate(nested({"log_share": 0.0, **settings}))


def with_settings(config: LearnerConfig, **settings: Any) -> LearnerConfig:
    """The same configuration with these settings changed."""
    return config.changed(nested(settings))

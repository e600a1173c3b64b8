"""The configuration: one TOML file, one section a stage, composed here and nowhere else.

Precedence, highest first: the command line, environment variables, the file, the defaults beside each stage.
``HSRL_SIDS__VOCABULARY=64`` sets ``vocabulary`` in ``[sids]``. A misspelt key or variable is an error.
In paths, ``{shared}`` stands for HSRL_SHARED (default ../shared), ``{warehouse}`` for the warehouse's folder;
what is left relative is relative to the file it stands in.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from flows.runtime.locations import PLACES, PREFIX
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.learner.config import LearnerConfig, TrainingConfig
from hsrl_train.renamed_settings import RENAMED
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.errors import ConfigError, all_faults
from pipeline.ingest.config import DeliveriesConfig, IngestConfig
from pipeline.ingest.registry import SECTION_OF_KIND, SourceConfig
from pipeline.records.config import RecordsConfig
from pipeline.sids.config import SidsConfig
from pipeline.warehouse.config import WarehouseConfig

_FEW = 20  # names that an error lists


class Settings(BaseSettings):
    """Everything a run uses; saved with the run."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    source: SourceConfig
    seed: int = Field(0, ge=0, description="Seed of whatever is random outside the simulators.")
    engine: WarehouseConfig = WarehouseConfig()
    ingest: IngestConfig = IngestConfig()
    deliveries: DeliveriesConfig = DeliveriesConfig()
    records: RecordsConfig = RecordsConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    sids: SidsConfig = SidsConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    learner: LearnerConfig = LearnerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        require_memory(self)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables stand above the file, whose content arrives as arguments."""
        return env_settings, init_settings


def require_memory(settings: Settings) -> None:
    """Refusals and tiredness live in the session's memory: without one both would silently do nothing.

    Raises:
        ValueError: there is none, and something needs it.
    """
    needs = {
        "learner.network.uses_refusals": settings.learner.network.uses_refusals,
        "learner.decoding.max_shows": settings.learner.decoding.max_shows > 0,
        "simulator.preset saturating": settings.simulator.preset == "saturating",
    }
    needing = [name for name, is_on in needs.items() if is_on]
    if needing and not settings.environment.memory:
        named = f"{' and '.join(needing)} need{'s' if len(needing) == 1 else ''}"
        raise ValueError(f"{named} what sessions have shown; set environment.memory, for example to 60 items")


def learning_on(settings: Settings, device: str | None) -> Settings:
    """The settings, with policies learning on ``device`` where one is given."""
    if device is None:
        return settings
    return settings.model_copy(update={"training": settings.training.model_copy(update={"device": device})})


def load_settings(config: Path | None, warehouse: Path) -> Settings:
    """Read and check a configuration file and the environment.

    Args:
        config: the TOML file; None for HSRL_CONFIG.
        warehouse: what ``{warehouse}`` in paths stands for.

    Raises:
        ConfigError: no file, no TOML, an unknown key or variable, or a value out of range.
    """
    path = config or (Path(os.environ["HSRL_CONFIG"]) if "HSRL_CONFIG" in os.environ else None)
    if path is None:
        raise ConfigError(
            "no configuration; name one with --config or HSRL_CONFIG, for example --config flows/configs/generated.toml"
        )
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror}; ready ones are in flows/configs/") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: not TOML: {error}") from error
    refuse_unknown_variables(os.environ)
    places = {"{shared}": os.environ.get("HSRL_SHARED", "../shared"), "{warehouse}": str(warehouse)}
    try:
        settings = Settings(**_placed(content, places))
    except ValidationError as error:
        raise ConfigError(f"configuration {path}: {all_faults(_faults(error))}") from error
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; a list or table is written as JSON, such as '[\"content\"]'") from error
    folder = path.absolute().parent
    return settings.model_copy(update={name: _absolute(getattr(settings, name), folder) for name in Settings.model_fields})


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    """``value`` with the placeholders of paths filled in, in every text it holds."""
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(name, str(Path(place).absolute()))
        return value
    if isinstance(value, dict):
        return {key: _placed(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [_placed(inner, places) for inner in value]
    return value


def _absolute(section: Any, folder: Path) -> Any:
    """``section`` with its relative paths read as relative to ``folder``."""
    if isinstance(section, Path):
        return folder / section
    if isinstance(section, BaseModel):
        return section.model_copy(update={name: _absolute(getattr(section, name), folder) for name in type(section).model_fields})
    return section


def _faults(error: ValidationError) -> list[str]:
    """The faults of a configuration, misspelt keys first: where, what, and the nearest key that exists."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")  # a misspelt key is also a missing one
    return list(dict.fromkeys(_fault(fault) for fault in faults))  # members of a union may say the same


def _fault(fault: ErrorDetails) -> str:
    # Pydantic names the member of a union by its tag or type; the file does not.
    where = [str(part) for part in fault["loc"] if part not in SECTION_OF_KIND and re.fullmatch(r"\w+", str(part))]
    variable = PREFIX + "__".join(where).upper()
    told = f"{variable} of the environment" if variable in os.environ else ".".join(where)
    if fault["type"] == "extra_forbidden":
        section = _section_at(fault["loc"][:-1])
        return f"unknown key {told}{_nearest(where[-1], section.model_fields) if section else ''}"
    if fault["type"] == "missing":
        return f"{told} is missing"
    value = "" if isinstance(fault["input"], dict) else f", got {fault['input']!r:.60}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{f'{told}: ' if told and not message.startswith(f'{told}.') else ''}{message}{value}"


def _section_at(place: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The section that a place in the configuration names; None inside lists and maps."""
    section: type[BaseModel] | None = Settings
    for part in place:
        if section is None or part in SECTION_OF_KIND:
            section = SECTION_OF_KIND.get(str(part))
        elif part != "source":  # its kind comes next
            field = section.model_fields.get(str(part))
            section = _model_in(field.annotation) if field else None
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section among the members of ``Section | None``."""
    members = (annotation, *get_args(annotation))
    return next((member for member in members if isinstance(member, type) and issubclass(member, BaseModel)), None)


def refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """An HSRL_ variable that nothing reads is a typing error, not a wish.

    Raises:
        ConfigError: there are some; for each the nearest that exists is named.
    """
    known = _variables()
    unknown = [name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in known]
    if unknown:
        raise ConfigError(f"environment: {all_faults([_unknown_variable(name, known) for name in unknown])}")


def _unknown_variable(name: str, known: set[str]) -> str:
    renamed = {_variable(old): _variable(new) for old, new in RENAMED.items()}
    if name.upper() in renamed:
        return f"{name} is now {renamed[name.upper()]}"
    return f"unknown variable {name}{_nearest(name.upper(), known) or f'; variables are {PREFIX}SECTION__FIELD'}"


def _variable(setting: str) -> str:
    """The variable of a setting such as ``sids.vocabulary``."""
    return f"{PREFIX}{setting.replace('.', '__')}".upper()


def _variables() -> set[str]:
    """Every variable that is read; those of ``source`` depend on its kind, and pydantic refuses what does not fit."""
    names = set(PLACES)
    for name, field in Settings.model_fields.items():
        sections = list(SECTION_OF_KIND.values()) if name == "source" else [_model_in(field.annotation)]
        for section in sections:
            names |= {_variable(setting) for setting in _settings_in(section, name)} if section else {_variable(name)}
    return names


def _settings_in(section: type[BaseModel], prefix: str) -> set[str]:
    """Dotted names of all that a section holds, sections inside it and their settings among them."""
    names = set()
    for name, field in section.model_fields.items():
        names.add(f"{prefix}.{name}")
        if inner := _model_in(field.annotation):
            names |= _settings_in(inner, f"{prefix}.{name}")
    return names


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}" if len(names) <= _FEW else ""

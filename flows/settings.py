"""The configuration: one TOML file, one section a stage, composed here and nowhere else.

Precedence, highest first: the command line, environment variables, the file, the defaults beside each stage.
``HSRL_SIDS__VOCABULARY=64`` sets ``vocabulary`` in ``[sids]``. A misspelt key or variable is an error.
In paths, ``{shared}`` stands for HSRL_SHARED (default ../shared), ``{warehouse}`` for the warehouse's folder;
what is left relative is relative to the file it stands in.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hsrl_train.config import EnvironmentConfig, EvaluationConfig, SimulatorConfig
from hsrl_train.learner_config import LearnerConfig
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.errors import ConfigError
from pipeline.ingest.config import IngestConfig, SourceConfig
from pipeline.records.config import RecordsConfig
from pipeline.sids.config import SidsConfig
from pipeline.warehouse.config import WarehouseConfig

PREFIX = "HSRL_"
# Read before the file is: where things are, not what is done with them.
_PLACES = {"HSRL_SHARED", "HSRL_WAREHOUSE", "HSRL_CONFIG"}


class Settings(BaseSettings):
    """Everything a run uses; saved with the run."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    source: SourceConfig
    seed: int = Field(0, ge=0, description="Seed of whatever is random outside the simulators.")
    engine: WarehouseConfig = WarehouseConfig()
    ingest: IngestConfig = IngestConfig()
    records: RecordsConfig = RecordsConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    sids: SidsConfig = SidsConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    learner: LearnerConfig = LearnerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

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


def warehouse_path(given: Path | None) -> Path:
    """The warehouse's folder: the argument, else HSRL_WAREHOUSE, else ./warehouse."""
    return (given or Path(os.environ.get("HSRL_WAREHOUSE", "warehouse"))).absolute()


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
    _refuse_unknown_variables(os.environ)
    places = {"{shared}": os.environ.get("HSRL_SHARED", "../shared"), "{warehouse}": str(warehouse)}
    try:
        settings = Settings(**_placed(content, places))
    except ValidationError as error:
        raise ConfigError(f"configuration {path}: {_first_fault(error)}") from error
    return settings.model_copy(update={"source": _absolute(settings.source, path.absolute().parent)})


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


def _first_fault(error: ValidationError) -> str:
    """The first fault of a configuration as: where, what, and the nearest key that exists."""
    fault = error.errors()[0]
    # Pydantic names the member of a union by its tag; the file does not.
    where = ".".join(str(part) for part in fault["loc"] if part not in ("movielens", "table", "generated"))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if fault["type"] == "extra_forbidden":
        return f"unknown key {where}{_suggestion(where.split('.'))}{more}"
    return f"{where}: {fault['msg']}, got {fault['input']!r:.60}{more}"


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """An HSRL_ variable that nothing reads is a typing error, not a wish."""
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in _PLACES:
            continue
        parts = name.removeprefix(PREFIX).lower().split("__")
        if not _is_field(parts):
            raise ConfigError(f"environment: unknown variable {name}{_suggestion(parts)}; variables are {PREFIX}SECTION__FIELD")


def _is_field(parts: list[str]) -> bool:
    if parts[0] == "source":  # its fields depend on its kind; pydantic refuses those that do not fit
        return len(parts) == 2
    field = Settings.model_fields.get(parts[0])
    if field is None or len(parts) > 2:
        return False
    section = field.annotation
    if isinstance(section, type) and issubclass(section, BaseModel):
        return len(parts) == 2 and parts[1] in section.model_fields
    return len(parts) == 1


def _suggestion(parts: list[str]) -> str:
    section = Settings.model_fields.get(parts[0])
    model = section.annotation if section is not None else Settings
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    close = difflib.get_close_matches(parts[-1], model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(model.model_fields)}"

"""The configuration: one TOML file with a section for each stage, composed here and nowhere else.

Precedence, highest first: the command line, environment variables, the file, the defaults in the section of each stage.
``HSRL_SIDS__VOCABULARY=64`` sets ``vocabulary`` in ``[sids]``. A misspelt key or variable is an error.
In paths, ``{shared}`` stands for HSRL_SHARED (default ../shared), ``{warehouse}`` for the warehouse's folder;
a relative path is relative to the configuration file.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from flows.runtime.alerts import AlertsConfig
from flows.runtime.locations import PREFIX
from flows.runtime.setting_faults import faults_of, refuse_unknown_variables
from flows.runtime.sid_settings import SidSettings
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.learner.config import LearnerConfig, TrainingConfig
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.errors import ConfigError, all_faults
from pipeline.ingest.config import DeliveriesConfig, IngestConfig
from pipeline.ingest.registry import SourceConfig
from pipeline.records.config import RecordsConfig
from pipeline.sids.config import SidsConfig
from pipeline.warehouse.config import WarehouseConfig

if TYPE_CHECKING:
    from flows.runtime.cluster import Cluster


class _EnvironmentFirst(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables go before the file, whose content arrives as arguments."""
        return env_settings, init_settings


class Settings(_EnvironmentFirst):
    """Everything a run uses; saved with the run."""

    model_config = SettingsConfigDict(extra="forbid")

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
    alerts: AlertsConfig = AlertsConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        require_memory(self.learner, self.simulator, self.environment)
        if self.embeddings.score_aware and not self.source.has_refusals:
            raise ValueError(
                "embeddings.score_aware needs simulators, and these a log with refusals; source.positive says that it has none"
            )
        return self

    def semantic_ids(self, cluster: "Cluster | None" = None) -> SidSettings:
        """Those that decide Semantic IDs; simulators that these need are fitted on the cluster, where there is one."""
        return SidSettings(
            seed=self.seed,
            embeddings=self.embeddings,
            sids=self.sids,
            records=self.records,
            n_buckets=self.ingest.buckets,
            simulator=self.simulator,
            workers=cluster or self.training.n_processes,
            newest_records=self.training.newest_records,
        )

    def learning_on(self, device: str | None) -> "Settings":
        """The same, with policies learning on ``device`` where one is given."""
        return self.model_copy(update={"training": self.training.model_copy(update={"device": device})}) if device else self

    def with_runner(self, runner: str | None) -> "Settings":
        """The same, with jobs done by ``runner`` where one is given.

        Raises:
            ConfigError: it is none.
        """
        if runner is None:
            return self
        try:
            engine = WarehouseConfig(**{**self.engine.model_dump(), "runner": runner})
        except ValidationError as error:
            raise ConfigError(f"--runner: {all_faults(faults_of(error, WarehouseConfig))}") from error
        return self.model_copy(update={"engine": engine})


def require_memory(learner: LearnerConfig, simulator: SimulatorConfig, environment: EnvironmentConfig) -> None:
    """Refuse settings that use what a session has shown where the environment remembers none of it: they would silently do nothing.

    Raises:
        ValueError: there is none, and something needs it.
    """
    needs = {
        "learner.network.uses_refusals": learner.network.uses_refusals,
        "learner.decoding.max_shows": learner.decoding.max_shows > 0,
        "simulator.preset saturating": simulator.preset == "saturating",
    }
    needing = [name for name, is_on in needs.items() if is_on]
    if needing and not environment.memory:
        named = f"{' and '.join(needing)} need{'s' if len(needing) == 1 else ''}"
        raise ValueError(f"{named} what sessions have shown; set environment.memory, for example to 60 items")


def ready_config(name: str) -> Path:
    """The file of a ready configuration, such as ``ml-1m``.

    Raises:
        ConfigError: there is none of that name.
    """
    folder = Path(__file__).parents[1] / "configs"
    if not (folder / f"{name}.toml").is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        raise ConfigError(f"--data: no ready configuration {name!r}; there are {known}; a file of your own goes to --config")
    return folder / f"{name}.toml"


def load_settings(config: Path | None, warehouse: Path) -> Settings:
    """Read and check a configuration file and the environment.

    Args:
        config: the TOML file; None for HSRL_CONFIG.
        warehouse: what ``{warehouse}`` in paths stands for.

    Raises:
        ConfigError: no file, no TOML, an unknown key or variable, or a value out of range.
    """
    path = _named(config)
    content = _content_of(path)
    refuse_unknown_variables(os.environ, Settings)
    try:
        settings = Settings(**_filled_in(content, _paths(warehouse)))
    except ValidationError as error:
        raise ConfigError(f"configuration {path}: {all_faults(faults_of(error, Settings))}") from error
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; a list or table is written as JSON, such as '[\"content\"]'") from error
    folder = path.absolute().parent
    return settings.model_copy(update={name: _absolute(getattr(settings, name), folder) for name in Settings.model_fields})


class _AlertsAlone(_EnvironmentFirst):
    alerts: AlertsConfig = AlertsConfig()


def load_alerts(given: Path | None, warehouse: Path) -> AlertsConfig:
    """Where notices go, also where the rest of the configuration is refused: by its section alone, else by the environment alone."""
    try:
        return load_settings(given, warehouse).alerts
    except ConfigError:
        pass
    try:
        section = _filled_in(_content_of(_named(given)).get("alerts", {}), _paths(warehouse))
        return _AlertsAlone(alerts=section).alerts
    except (ConfigError, ValidationError, SettingsError):
        pass
    try:
        return _AlertsAlone().alerts
    except (ValidationError, SettingsError):
        return AlertsConfig()


def _named(config: Path | None) -> Path:
    """The configuration's file."""
    path = config or (Path(os.environ["HSRL_CONFIG"]) if "HSRL_CONFIG" in os.environ else None)
    if path is None:
        raise ConfigError(
            "no configuration; name one with --config or HSRL_CONFIG, for example --config flows/configs/generated.toml"
        )
    return path


def _content_of(path: Path) -> dict[str, Any]:
    """What a TOML file says."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror}; ready ones are in flows/configs/") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: not TOML: {error}") from error


def _paths(warehouse: Path) -> dict[str, str]:
    """What placeholders in paths stand for."""
    return {"{shared}": os.environ.get("HSRL_SHARED", "../shared"), "{warehouse}": str(warehouse)}


def _filled_in(value: Any, paths: Mapping[str, str]) -> Any:
    """``value`` with the placeholders of paths filled in, in every text it holds."""
    if isinstance(value, str):
        for placeholder, path in paths.items():
            value = value.replace(placeholder, str(Path(path).absolute()))
        return value
    if isinstance(value, dict):
        return {key: _filled_in(inner, paths) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled_in(inner, paths) for inner in value]
    return value


def _absolute(section: Any, folder: Path) -> Any:
    """``section`` with its relative paths read as relative to ``folder``."""
    if isinstance(section, Path):
        return folder / section
    if isinstance(section, BaseModel):
        return section.model_copy(update={name: _absolute(getattr(section, name), folder) for name in type(section).model_fields})
    return section

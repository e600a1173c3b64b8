"""``[learner]`` and ``[training]``: what is learned, how, and the presets that set it."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hsrl_train.learner.actor_critic_config import ActorCriticConfig
from hsrl_train.learner.chirp_config import ChirpConfig
from hsrl_train.learner.gfn4rec_config import Gfn4recConfig
from hsrl_train.learner.hg_config import HgConfig
from hsrl_train.learner.hyper_action_config import HyperActionConfig
from hsrl_train.learner.kgcr_config import KgcrConfig
from hsrl_train.learner.mcchrl_config import McchrlConfig
from hsrl_train.learner.methods import require_known
from hsrl_train.learner.presets import PRESETS
from hsrl_train.learner.sections import (
    DecodingConfig,
    ExplorationConfig,
    LossesConfig,
    NetworkConfig,
    ScheduleConfig,
    SearchConfig,
)
from hsrl_train.learner.slateq_config import SlateqConfig
from hsrl_train.renamed_settings import refuse_old_names


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    named: dict[str, Any] = {}
    for name, value in settings.items():
        named |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return named


class LearnerConfig(BaseModel):
    """How a policy is built and learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["best", "paper"] = Field(
        "best", description="The defaults of this section: best = what earned its place, paper = HSRL as published."
    )
    method: str = Field(
        "hsrl",
        description="What learns: HSRL, or SASRec supervised by answers over items, or over tokens with HSRL's network.",
    )
    network: NetworkConfig = Field(NetworkConfig(), description="Sizes and switches of the network.")
    exploration: ExplorationConfig = Field(ExplorationConfig(), description="Acting while learning.")
    decoding: DecodingConfig = Field(DecodingConfig(), description="Which items a slate holds, while learning and after.")
    losses: LossesConfig = Field(LossesConfig(), description="The terms of the loss and their weights.")
    schedule: ScheduleConfig = Field(ScheduleConfig(), description="The length of a training, its updates and its rates.")
    search: SearchConfig = Field(SearchConfig(), description="The search for foresight after the last iteration.")
    hyper_action: HyperActionConfig = Field(HyperActionConfig(), description="DDPG, TD3, PG-RA and HAC: acting by a vector.")
    chirp: ChirpConfig = Field(ChirpConfig(), description="What our adaptation of CHIRP has to itself.")
    gfn4rec: Gfn4recConfig = Field(Gfn4recConfig(), description="What GFN4Rec has to itself.")
    kgcr: KgcrConfig = Field(KgcrConfig(), description="What our adaptation of KGCR has to itself.")
    mcchrl: McchrlConfig = Field(McchrlConfig(), description="What our adaptation of mccHRL has to itself.")
    actor_critic: ActorCriticConfig = Field(ActorCriticConfig(), description="A2C, ItemA2C and TPGR.")
    slateq: SlateqConfig = Field(SlateqConfig(), description="SlateQ.")
    hg: HgConfig = Field(HgConfig(), description="What our adaptation of HG has to itself.")

    @property
    def n_units(self) -> int:
        """The whole training, in iterations; of a method that fixes settings, with those it fixes."""
        return self.schedule.n_iterations + self.search.n_rounds * self.search.units_a_round

    @property
    def n_logged(self) -> int:
        """Slates of the log in every batch; the others are of the learner's own sessions."""
        share = {"drawn": 0.0, "expected": self.losses.log_share, "logged": 1.0}[self.losses.answers]
        return round(share * self.schedule.batch_size)

    def shortened(self, n_iterations: int) -> "LearnerConfig":
        """The same for a short training: as many iterations, and updates that begin after a quarter of the slates at the latest."""
        learn_after = min(self.schedule.learn_after, max(1, n_iterations * self.exploration.n_sessions // 4))
        return self.changed({"schedule": {"n_iterations": n_iterations, "learn_after": learn_after}})

    def for_sessions(self, repeats: str) -> "LearnerConfig":
        """The same with ``decoding.leaves_out_seen`` decided by ``[environment] repeats``."""
        if self.decoding.leaves_out_seen is not None:
            return self
        return self.changed({"decoding": {"leaves_out_seen": repeats == "never"}})

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> "LearnerConfig":
        """The same with some values of some sections replaced; they are checked like those of a file."""
        sections = {
            name: type(section).model_validate({**section.model_dump(), **values})
            for name, values in changes.items()
            for section in (getattr(self, name),)
        }
        return self.model_copy(update=sections)

    @field_validator("method")
    @classmethod
    def _is_known(cls, method: str) -> str:
        return require_known(method)

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, given: Any) -> Any:
        """What is given stands above what its preset sets."""
        if not isinstance(given, dict):
            return given
        refuse_old_names("learner", given)
        preset = PRESETS.get(str(given.get("preset")), {})
        merged = {name: {**values, **given[name]} for name, values in preset.items() if isinstance(given.get(name), dict)}
        return {**preset, **given, **merged}


class TrainingConfig(BaseModel):
    """How trainings are run; what is learned, and how long at most, says ``[learner]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_seeds: int = Field(
        1,
        description="Seeds that a retrain learns with; published is the policy that does best in the training simulators.",
        ge=1,
    )
    n_processes: int | None = Field(
        None, description="Processes that fit and learn in parallel, one thread each; not given: one for each usable core.", ge=1
    )
    device: str = Field(
        "cpu",
        description="Where policies learn: cpu, cuda or cuda:1. Random numbers are drawn on the processor either way, so that the same comes "
        "out but for rounding; simulators are fitted, and policies judged, on the processor.",
    )
    newest_records: int | None = Field(
        None,
        description="Training records that simulators and policies learn from, the newest, with the newest test records in proportion: so "
        "that a nightly retrain costs the same however long the log; not given: all.",
        ge=1,
    )
    warm_start: bool = Field(
        False,
        description="Whether a retrain begins at the weights of the published policy of this codebook, or of the one before a rebuild.",
    )
    judge_every: int = Field(
        0,
        description="Iterations between two judgements in the training simulators, points of the training curve; 0 = none.",
        ge=0,
    )
    judge_sessions: int = Field(200, description="Whole sessions of such a judgement; always the same starts and luck.", ge=1)
    stop_after_flat: int = Field(
        0,
        description="Judgements in a row without a gain over the best so far after which a training ends; 0 = never. "
        "Learning rates still fall by the whole n_iterations of [learner].",
        ge=0,
    )
    tensorboard: str | None = Field(
        None,
        description="Folder for TensorBoard event files, a folder a policy, written while it learns; needs the extra tensorboard; "
        "not given: none.",
        min_length=1,
    )

    @model_validator(mode="after")
    def _judges_before_it_stops(self) -> Self:
        if self.stop_after_flat and not self.judge_every:
            raise ValueError("stop_after_flat counts judgements, but judge_every is 0; set it, for example to 250 iterations")
        return self

"""The ``[evaluation]`` section: how policies are judged, and the budget of the look-ahead oracle."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hsrl_train.learner.methods import require_known
from hsrl_train.renamed_settings import refuse_old_names
from hsrl_train.simulator.families import require_known as require_family


class LookAheadConfig(BaseModel):
    """Budget of the look-ahead oracle: sessions played in all = rounds · candidates · sessions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rounds: int = Field(0, description="Rounds of the cross-entropy search; 0 leaves the row out of the results.", ge=0)
    n_candidates: int = Field(32, description="Candidates of a round; the best fifth shapes the next.", ge=5)
    n_sessions: int = Field(100, description="Whole sessions that a candidate is judged by.", ge=1)
    first_spread: float = Field(0.05, description="Standard deviation of the first candidates, in probability.", gt=0)


class EvaluationConfig(BaseModel):
    """How policies are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_sessions: int = Field(
        500, description="Whole sessions, from starts held out of training, in each evaluation simulator.", ge=2
    )
    families: tuple[str, ...] = Field(
        ("attention", "frozen_attention", "factorisation", "trees", "deep_sets"),
        description="The panel: kinds of simulated users that judge. The family that policies learn in is left out of it and judges in a "
        "column of its own; presets other than calibrated are judged in their own family alone.",
    )
    n_simulators: int = Field(
        2,
        description="Simulators of each family, fitted on all records, each by a seed of its own; policies are judged there.",
        ge=1,
    )
    other_methods: tuple[str, ...] = Field(
        (), description="Methods that are trained and judged together with the policy, in the same table, with the same settings."
    )
    look_ahead: LookAheadConfig = Field(
        LookAheadConfig(), description="The look-ahead oracle, a reference row of its own; off, since it costs minutes."
    )

    def panel_without(self, family: str) -> tuple[str, ...]:
        """The families that judge policies which learned in ``family``."""
        return tuple(name for name in self.families if name != family)

    @field_validator("families")
    @classmethod
    def _are_families(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(families)) < len(families):
            raise ValueError(f"{len(families)} families, {len(set(families))} of them different, expected each once")
        return tuple(require_family(family) for family in families)

    @field_validator("other_methods")
    @classmethod
    def _are_known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(require_known(method) for method in methods)

    @model_validator(mode="before")
    @classmethod
    def _has_new_names(cls, given: Any) -> Any:
        if isinstance(given, dict):
            refuse_old_names("evaluation", given)
        return given

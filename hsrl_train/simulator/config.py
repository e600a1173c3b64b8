"""The sections ``[simulator]`` and ``[environment]``: the user response model and its sessions."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hsrl_train.data.memory import MEMORY
from hsrl_train.simulator.families import require_known

# Below this share of the log's places, items shown again are slips of the log and no custom of its users.
REPEATS_FROM = 0.01


class SimulatorConfig(BaseModel):
    """The user response model and how it is fitted; one model a seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str = Field(
        "latent",
        description="The kind of user that policies learn with: latent has a hidden taste, which answers reveal; attention, the protocol's, "
        "has a taste that follows what he liked; the others serve as judges.",
    )
    preset: Literal["calibrated", "released", "saturating"] = Field(
        "calibrated",
        description="calibrated is fitted by BCE on the logits, released by the authors' double sigmoid, which saturates; "
        "saturating is the calibrated user who tires of what resembles the recently shown; it needs [environment] memory. "
        "The last two are of family attention, which is their default.",
    )
    tiring: float = Field(
        2.0, description="How much a full tiredness takes from the log-odds of a like, preset saturating only.", ge=0
    )
    tiring_half_life: float = Field(20.0, description="Items shown after which half a tiredness is left.", gt=0)
    width: int = Field(16, description="Width of the user, item and interest vectors.", ge=1)
    n_heads: int = Field(2, description="Attention heads; they share the width evenly.", ge=1)
    hidden: int = Field(256, description="Width of the hidden layer that reads the user's profile.", ge=1)
    dropout: float = Field(0.2, description="Dropout in that layer, while fitting only.", ge=0, lt=1)
    learning_rate: float = Field(1e-3, description="Adam's step size; it falls to 0 over the second half of the updates.", gt=0)
    weight_decay: float = Field(
        0.0, description="L2 penalty on the weights; 3e-4 in the protocol, which costs .002 of AUC on ML-1M.", ge=0
    )
    batch_size: int = Field(128, description="Records in one update.", ge=1)
    n_epochs: int = Field(2, description="Passes over the records.", ge=1)
    n_training: int = Field(
        1, description="Simulators fitted on the training split, each by a seed of its own; policies learn there.", ge=1
    )

    @model_validator(mode="before")
    @classmethod
    def _preset_brings_family(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("preset", "calibrated") != "calibrated":
            return {"family": "attention", **given}
        return given

    @field_validator("family")
    @classmethod
    def _is_known(cls, family: str) -> str:
        return require_known(family)

    @model_validator(mode="after")
    def _preset_has_family(self) -> Self:
        if self.preset != "calibrated" and self.family != "attention":
            raise ValueError(f"preset {self.preset} is of family attention, family is {self.family}")
        return self


class EnvironmentConfig(BaseModel):
    """How a session pays and when its user leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost: float = Field(
        0.1, description="What an item that was shown and not liked takes from the reward; 0.2 in HAC's text.", ge=0
    )
    temper0: float = Field(20.0, description="The user's patience when the session begins.", ge=1)
    max_steps: int = Field(20, description="Slates after which a session ends in any case.", ge=1)
    pessimism: float = Field(
        0.0,
        description="With several simulators: standard deviations of their log-odds taken from the mean, for every answer; "
        "0 = each session has one simulator of its own. What only one simulator believes is then not worth learning.",
        ge=0,
    )
    memory: int = Field(
        MEMORY,
        description="Newest items shown to the user, likes and refusals kept apart, that his state remembers, of the log and of the session; "
        "0 = likes only, as published. A user whose taste is hidden is found sooner by what he refused.",
        ge=0,
    )
    repeats: Literal["as_logged", "allowed", "never"] = Field(
        "as_logged",
        description="Whether a session may show what the user was shown before: as_logged = never where less than one place in a hundred of "
        "the log does, since nothing tells how such a place is answered.",
    )
    is_reward_folded: bool = Field(
        False, description="Take 1 - |r - 0.9| for the reward r, as the authors' code does on RL4RS: 8 likes of 9 are then best."
    )

    def as_logged(self, share_shown_again: float) -> "EnvironmentConfig":
        """The same with ``repeats`` decided.

        Args:
            share_shown_again: of the log's places, in [0, 1].
        """
        if self.repeats != "as_logged":
            return self
        return self.model_copy(update={"repeats": "allowed" if share_shown_again >= REPEATS_FROM else "never"})

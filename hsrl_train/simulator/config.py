"""Settings of the user simulator, its sessions, the course of a training and the evaluation of policies."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SimulatorConfig(BaseModel):
    """The user response model and how it is fitted; one model a seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["calibrated", "released", "saturating"] = Field(
        "calibrated",
        description="calibrated is fitted by BCE on the logits, released by the authors' double sigmoid, which saturates; "
        "saturating is the calibrated user who tires of what resembles the recently shown; it needs [environment] memory.",
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
        0,
        description="Newest items shown in the session, refused ones told apart, that its state remembers; "
        "0 = likes only, as published. A user whose taste is hidden is found sooner by what he refused.",
        ge=0,
    )
    is_reward_folded: bool = Field(
        False, description="Take 1 - |r - 0.9| for the reward r, as the authors' code does on RL4RS: 8 likes of 9 are then best."
    )


class TrainingConfig(BaseModel):
    """How trainings are run; what is learned, and how long at most, says ``[learner]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_seeds: int = Field(
        1,
        description="Seeds that a retrain learns with; published is the policy that does best in the training simulators.",
        ge=1,
    )
    n_processes: int | None = Field(
        None, description="Processes that fit and learn side by side, one thread each; not given: one for each usable core.", ge=1
    )
    device: str = Field(
        "cpu",
        description="Where policies learn: cpu, cuda or cuda:1. Random numbers are drawn on the processor either way, so that the same comes "
        "out but for rounding; simulators are fitted, and policies judged, on the processor.",
    )
    warm_start: bool = Field(
        False, description="Whether the weights of the published policy of this codebook are where a retrain begins."
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

    @model_validator(mode="after")
    def _judges_before_it_stops(self) -> Self:
        if self.stop_after_flat and not self.judge_every:
            raise ValueError("stop_after_flat counts judgements, but judge_every is 0; set it, for example to 250 iterations")
        return self


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
        2_000, description="Whole sessions, from starts held out of training, in each evaluation simulator.", ge=2
    )
    n_simulators: int = Field(
        2, description="Simulators fitted on all records, each by a seed of its own; policies are judged there.", ge=1
    )
    beside: tuple[Literal["item_sasrec", "token_sasrec"], ...] = Field(
        (), description="Methods that are trained and judged beside the policy, in the same table, with the same settings."
    )
    look_ahead: LookAheadConfig = Field(
        LookAheadConfig(), description="The look-ahead oracle, a reference row of its own; off, since it costs minutes."
    )

"""``[learner.hyper_action]``: the methods that act by a vector in the space of items (DDPG, TD3, PG-RA, HAC)."""

from pydantic import BaseModel, ConfigDict, Field


class HyperActionConfig(BaseModel):
    """Exploration, critics and regularisers of a hyper-action Z; methods fix what they are defined by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holds_length: bool = Field(
        True,
        description="Whether Z has the length of d ones. Slates depend on its direction only, and an actor that follows its critic makes a "
        "free Z ever longer, where the critic knows nothing; free as published.",
    )
    noise: float = Field(
        0.3,
        ge=0,
        description="Standard deviation of the Gaussian noise on Z while exploring, in root mean squares of Z's coordinates: slates depend "
        "on the direction of Z only. 0 = none.",
    )
    greedy_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of exploring slates that are the best by Z; the others are drawn in proportion to exp(score / temperature).",
    )
    q_weight: float = Field(
        0.1,
        ge=0,
        description="Weight of the actor's -Q (HAC eq. 8), beside supervision and alignment; separate rates in the paper.",
    )
    alignment_weight: float = Field(
        0.1, ge=0, description="Weight of the distance between Z and the mean item of its slate (HAC eq. 9), HAC only; 0 = none."
    )
    twin: bool = Field(True, description="Two critics, of which the smaller value is bootstrapped from; TD3 only.")
    delay: int = Field(2, ge=1, description="Updates of the critics for each of actor and targets, TD3 only.")
    smoothing: float = Field(
        0.1,
        ge=0,
        description="Standard deviation of the noise on the target's Z, in root mean squares of its coordinates, cut at 2.5 times that; "
        "TD3 only.",
    )
    representation_weight: float = Field(
        0.1, ge=0, description="Weight of the inverse model that tells a slate by two successive states, DDPG-RA and PG-RA only."
    )
    clicked_only: bool = Field(
        True,
        description="Whether the inverse model learns of liked items only: refused ones leave no mark in a state without refusals.",
    )

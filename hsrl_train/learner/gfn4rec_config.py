"""``[learner.gfn4rec]``: what GFN4Rec has to itself."""

from pydantic import BaseModel, ConfigDict, Field


class Gfn4recConfig(BaseModel):
    """Offsets of the detailed balance, and the sizes of the slate's network (docs/baselines.md §3.8)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward_offset: float = Field(
        0.5,
        ge=0.3,
        description="b_r, added to a slate's reward before its logarithm; rewards go down to −0.2 and must stay above 0.",
    )
    forward_offset: float = Field(
        0.3,
        gt=0,
        description="b_f, added to a place's probability before its logarithm, which bounds what an unlikely item weighs.",
    )
    normaliser: float = Field(0.0, ge=0, description="z, added to every place's balance; moves all flows of a slate alike.")
    hidden: int = Field(128, ge=1, description="Hidden width of the networks over state and prefix.")
    max_k: int = Field(
        20, ge=1, description="Longest slate there are weights for; a shorter one leaves the rest of the prefix at 0."
    )

"""``[learner.hg]``: goals, the expert that labels them, and exploration of our adaptation of HG."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HgConfig(BaseModel):
    """Our adaptation of hierarchically guided DAgger/Q; discount, rates and targets are those of the shared sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expert: Literal["return", "clicks"] = Field(
        "return",
        description="Who labels goals: a regression of the return that followed each goal, or the most liked code of the slate, which is "
        "myopic and an ablation.",
    )
    max_slates: int = Field(3, ge=1, description="Slates that a goal is held for at most, while learning.")
    fail_below: float = Field(0.2, description="Reward of a slate below which its goal has failed and ends.")
    label_weight: float = Field(1.0, gt=0, description="Weight of the imitation of labels beside the loss of item values.")
    least_tries: int = Field(50, ge=1, description="Times a code must have been a goal before the expert may name it.")
    success_share: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Best share of the last 1,000 sessions that counts as success as a whole and is not labelled.",
    )
    warm_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="First share of the training in which logged slates label their most liked code, the warm start; needs log_share.",
    )
    last_goal_epsilon: float = Field(
        0.05, ge=0, le=1, description="Share of goals that are any code, at the end of its fall from 1."
    )
    last_item_epsilon: float = Field(
        0.02, ge=0, le=1, description="Share of slates that are any items of the goal, at the end of its fall from 1."
    )
    fall_share: float = Field(0.4, gt=0, le=1, description="Share of the training over which both fall, linearly.")

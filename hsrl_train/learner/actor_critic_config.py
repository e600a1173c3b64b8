"""``[learner.actor_critic]``: what actor-critics over items have that HSRL has not."""

from pydantic import BaseModel, ConfigDict, Field


class ActorCriticConfig(BaseModel):
    """A2C, ItemA2C and TPGR; discount, clips, rates and exploration are those of the shared sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entropy_weight: float = Field(
        0.01, ge=0, description="Weight of the policy's entropy beside the policy gradient, whose weight is 1; 0 leaves it out."
    )
    likelihood_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of the two-sided likelihood of answers, the help that HSRL and HAC have; 0 = as published, rewards alone.",
    )
    item_smoothing: float = Field(
        0.25,
        gt=0,
        description="ItemA2C: what is added to the reward of an item before items share the values by it; more than [environment] cost, so "
        "that a refused item has a share too, and the more the evener.",
    )

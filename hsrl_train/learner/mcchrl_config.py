"""``[learner.mcchrl]``: what our adaptation of mccHRL has to itself."""

from pydantic import BaseModel, ConfigDict, Field


class McchrlConfig(BaseModel):
    """Goals, and what the agent that picks items is paid for (docs/baselines.md §3.4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intrinsic_share: float = Field(
        0.3, ge=0, le=1, description="η, the share of an item's pay that is its cosine to the goal; the rest is its own reward."
    )
    item_gamma: float = Field(0.9, ge=0, le=1, description="Discount from one place of a slate to the next, γ_L.")
    goal_noise: float = Field(0.1, ge=0, description="Standard deviation of what is added to a goal while learning, σ.")
    goal_every: int = Field(
        1,
        ge=1,
        description="Slates that a goal is kept for; above 1 the state is wound back to when it was set, which needs [environment] memory.",
    )
    relabel_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of a batch whose goals are taken to have been the mean item vector of the slate, as HIRO relabels; "
        "slates of the log always are.",
    )
    adds_future: bool = Field(
        False, description="Whether the last item of a slate is also paid the discounted value of the session after it."
    )

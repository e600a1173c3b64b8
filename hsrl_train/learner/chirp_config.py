"""``[learner.chirp]``: what our adaptation of CHIRP has to itself."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ChirpConfig(BaseModel):
    """The abstraction tree, options and planning (docs/baselines.md §3.3). Steps are slates of all sessions together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    planner: Literal["reward", "distance"] = Field(
        "reward", description="Plan for discounted reward, or as published for the way to the leaf of highest mean reward."
    )
    refine_after: int = Field(4000, ge=1, description="Steps before the tree is refined for the first time.")
    refine_every: int = Field(2000, ge=1, description="Steps from a refinement to the next.")
    plan_every: int = Field(500, ge=1, description="Steps from a planning to the next.")
    max_leaves: int = Field(64, ge=1, description="Most leaves of the tree.")
    splits_at_once: int = Field(5, ge=1, description="Most leaves that a refinement splits, k_cap.")
    min_visits: int = Field(200, ge=2, description="Logged errors that a leaf needs before it is split.")
    max_options: int = Field(128, ge=1, description="Most options of the library, each with an embedding.")
    min_changes: int = Field(100, ge=1, description="Changes from a leaf to another before they may become an option.")
    distant_share: float = Field(
        0.95, ge=0, le=1, description="Share of the largest distance in the tree that the two leaves of an option are apart."
    )
    max_slates: int = Field(5, ge=1, description="Slates after which an option ends in any case.")
    target_bonus: float = Field(
        0.5, ge=0, description="κ_o: paid for each item of the slate with which an option enters its target."
    )
    retire_after: int = Field(
        500, ge=1, description="Tries after which an option is retired that reached its target in less than 10 %."
    )
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Share of random options and slates after exploration.")
    epsilon_steps: int = Field(20_000, ge=1, description="Steps over which that share falls from 1, linearly.")

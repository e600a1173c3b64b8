"""``[learner.kgcr]``: what our adaptation of KGCR has to itself."""

from pydantic import BaseModel, ConfigDict, Field


class KgcrConfig(BaseModel):
    """Attributes of a slate, and the belief about them (docs/baselines.md §3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_attributes: int = Field(3, ge=1, description="Attributes that a slate asks about, M; each has ⌈K / M⌉ of its places.")
    belief_decay: float = Field(
        0.9, ge=0, le=1, description="ρ: what a like counts in the belief for each like that came after it."
    )
    refusal_weight: float = Field(
        0.0,
        ge=0,
        description="What an item shown in vain takes from the belief in its attribute; 0 = refusals are not remembered. "
        "Needs [environment] memory.",
    )
    worker_temperature: float = Field(
        1.0, gt=0, description="Temperature of the worker's softmax over the items of an attribute."
    )

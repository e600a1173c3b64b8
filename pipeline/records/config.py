"""Settings of the records stage."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class RecordsConfig(BaseModel):
    """How events become slates, and which of them are for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slate_size: int = Field(10, description="K, items of a slate: MovieLens 10, RL4RS 9; 1 makes every event a record.", ge=1)
    history_length: int = Field(50, description="H, the most positives that a history holds.", ge=1)
    split: Literal["per_user", "by_time"] = Field(
        "per_user", description="Training is each user's leading records (per_user) or what came before one moment (by_time)."
    )
    train_fraction: float = Field(
        0.8, description="Share of training records: of each user, or (by_time without split_at) of all.", gt=0.0, lt=1.0
    )
    split_at: AwareDatetime | None = Field(
        None,
        description="First moment of the test records, with its time zone; empty: train_fraction of the records lie before it.",
    )

"""``[learner.slateq]``: whose items carry the future."""

from pydantic import BaseModel, ConfigDict, Field


class SlateqConfig(BaseModel):
    """SlateQ for independent answers; discount, rates, targets and exploration are those of the shared sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clicked_only: bool = Field(
        True,
        description="Whether only liked items carry the future, as in SlateQ, whose values are of items that were chosen; else every shown "
        "item does.",
    )

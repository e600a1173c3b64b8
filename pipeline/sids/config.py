"""The section ``sids``: how codebooks are learned and how long an item keeps its Semantic ID."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.sids.names import MAX_CODES, key_space_fits

Codes = Annotated[int, Field(ge=2, le=MAX_CODES)]


class SidsConfig(BaseModel):
    """Settings of the tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: int = Field(3, ge=1, le=8, description="Levels L of a Semantic ID, coarse to fine.")
    vocabulary: Codes | tuple[Codes, ...] = Field(256, description="Codes V of every level, or a list with one number a level.")
    epsilon: float = Field(
        0.10,
        ge=0.0,
        description="A changed item keeps its SID while its error is at most 1 + epsilon times the best.",
    )
    sample_rows: int = Field(20_000, ge=2, description="Distinct vectors, drawn by a fixed hash, for k-means++.")
    training_rows: int = Field(131_072, ge=2, description="Distinct vectors, drawn by the same hash, for k-means.")
    iterations: int = Field(25, ge=1, description="Iterations of k-means a level.")

    @property
    def vocabulary_per_level(self) -> tuple[int, ...]:
        """V_l for each of the L levels."""
        return (self.vocabulary,) * self.levels if isinstance(self.vocabulary, int) else self.vocabulary

    @model_validator(mode="after")
    def _vocabulary_fits(self) -> Self:
        if len(self.vocabulary_per_level) != self.levels:
            raise ValueError(
                f"vocabulary lists {len(self.vocabulary_per_level)} levels, levels is {self.levels}; make them agree"
            )
        if not key_space_fits(self.vocabulary_per_level):
            raise ValueError(f"vocabulary {self.vocabulary_per_level} has more than 2^64 Semantic IDs; use fewer levels or codes")
        return self

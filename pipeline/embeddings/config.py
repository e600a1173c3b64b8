"""Settings of the embeddings stage."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal["content", "cooccurrence", "external"]


class EmbeddingsConfig(BaseModel):
    """What an item's vector is made of; a change takes effect with ``hsrl refresh --rebuild``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Kind, ...] = Field(("cooccurrence",), description="Kinds of vectors, concatenated in this order.", min_length=1)
    weights: dict[Kind, float] = Field(
        default_factory=dict,
        description="A part's share in the squared length of the vector; 1 if not named.",
    )
    width: int = Field(32, description="d of the co-occurrence part: singular vectors kept.", ge=1)
    popularity_power: float = Field(
        0.5, description="Power of an item's popularity that its positives are divided by; 0 leaves popularity in.", ge=0, le=1
    )
    prior_positives: float = Field(
        2.0,
        description="Positives that the mean of an item's categories is worth beside its own.",
        ge=0,
    )
    content_width: int = Field(256, description="Columns for categories; where there are more categories, they are hashed.", ge=1)
    numbers: tuple[str, ...] = Field((), description="Names of item attributes that the content part takes as numbers.")
    number_weight: float = Field(0.5, description="Length of the numbers beside a length of 1 for the categories.", ge=0)
    score_aware: bool = Field(
        False,
        description="Whether codes are learned where distance is difference of score: on these vectors weighed by the tastes of the training "
        "simulators, which a first refresh or a rebuild then fits, and the next retrain finds. Policies gain much by it (docs/results).",
    )
    external_path: Path | None = Field(
        None,
        description="Vectors of the external part, read every night: Parquet, Arrow, Feather or .csv with the columns vector (or item_vec) and "
        "item_id or raw_id; .npy, or bare numbers named .f16, .f32 or .f64, with external_ids_path beside.",
    )
    external_ids_path: Path | None = Field(
        None, description="Ids of the vectors in their order, where their file holds none: text, one a line, or .npy."
    )
    external_max_missing: float = Field(
        0.2,
        description="Share of the active items that may be without a brought vector; above it the refresh is refused.",
        ge=0,
        le=1,
    )

    @field_validator("parts")
    @classmethod
    def _named_once(cls, parts: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len(set(parts)) < len(parts):
            raise ValueError(f"{len(parts)} parts name {len(set(parts))} kinds, expected each once")
        return parts

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: dict[Kind, float]) -> dict[Kind, float]:
        if any(weight <= 0 for weight in weights.values()):
            raise ValueError("a weight is not above 0; leave the part out instead")
        return weights

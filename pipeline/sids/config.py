"""The section ``sids``: how codebooks are learned and how long an item keeps its Semantic ID."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.sids.capacity import CapacityRules
from pipeline.sids.inputs import AssignmentRules
from pipeline.sids.names import MAX_CODES, key_space_fits

Limits = Annotated[tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(ge=0.0)]], "warns above, blocks above"]
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
    mode: Literal["auto", "append", "refresh"] = Field(
        "auto",
        description="What a night does: append under frozen codes, refresh (codes follow their items), or what drift asks for.",
    )
    churn_budget: float = Field(
        0.003,
        ge=0.0,
        le=1.0,
        description="Share of the surviving items that may move in a night, those who gain most first; at least one.",
    )
    collisions: Literal["candidates", "beam", "suffix"] = Field(
        "candidates",
        description="Items of one SID share it (candidates), take the best free one (beam), or get a further token (suffix).",
    )
    capacity: int = Field(1, ge=1, description="Items that a SID may hold under beam; 1 makes SIDs unique.")
    suffix_codes: Codes = Field(256, description="Codes of the further level under suffix: most items that may share the others.")
    locked_levels: int = Field(0, ge=0, description="Leading levels that keep their nearest code under beam.")
    max_error_ratio: float | None = Field(
        None, ge=1.0, description="An item gets no SID whose error is more than this many times its nearest one's; none: any."
    )
    beam_width: int = Field(16, ge=1, description="Prefixes that the search for a free SID carries on at first.")
    tombstone_nights: int = Field(30, ge=0, description="Refreshes for which a removed item's place in a SID is kept for it.")
    popularity_power: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="An item weighs (1 + its positives) to this power when codes are learned; 0: all the same.",
    )
    guard_rails: Literal["block", "warn", "off"] = Field(
        "block",
        description="Whether a learned codebook with a level of no use (docs/tokenizer.md) is refused, published with a warning in audits, "
        "or not looked at.",
    )
    vector_guard: Literal["block", "warn", "off"] = Field(
        "block",
        description="Whether a refresh on vectors that do not fit those of the last release (the limits below) is refused, published with a "
        "warning in audits, or not looked at; a rebuild, which makes new codes, is exempt.",
    )
    explained_drop_limits: Limits = Field(
        (0.10, 0.25),
        description="Fall of the explained variance, from one release to the next, that warns and that blocks; the first of them also "
        "warns of a fall since the codes were learned.",
    )
    strayed_limits: Limits = Field(
        (0.10, 0.25), description="Share of the items whose vector jumped away from its Semantic ID that warns and that blocks."
    )
    lost_signal_limits: Limits = Field(
        (0.02, 0.20),
        description="Share of the items that had a signal of their own and have none now that warns and that blocks.",
    )
    fallback_rise_limits: Limits = Field(
        (0.25, 0.50), description="Rise of the share of items without a signal of their own that warns and that blocks."
    )
    lost_columns_limits: Limits = Field(
        (0.001, 0.03),
        description="Share of the variance in coordinates that became (almost) constant that warns and that blocks.",
    )
    sample_rows: int = Field(20_000, ge=2, description="Distinct vectors, drawn by a fixed hash, for k-means++.")
    training_rows: int = Field(131_072, ge=2, description="Distinct vectors, drawn by the same hash, for k-means.")
    iterations: int = Field(2, ge=1, description="Iterations of k-means a level, before all levels are fitted together.")
    joint_rounds: int = Field(20, ge=0, description="Rounds in which the codes of all levels are fitted together; 0: none.")
    balance: float | None = Field(
        None,
        ge=1.0,
        description="Most items that a code may hold in these rounds, in units of the mean over the codes, such as 1.2; none: any number.",
    )

    @property
    def vocabulary_per_level(self) -> tuple[int, ...]:
        """V_l for each of the L levels."""
        return (self.vocabulary,) * self.levels if isinstance(self.vocabulary, int) else self.vocabulary

    @property
    def capacity_rules(self) -> CapacityRules | None:
        """The capacity of SIDs; None where any number of items may share one."""
        if self.collisions == "candidates":
            return None
        if self.collisions == "suffix":
            return CapacityRules(capacity=1, n_locked=self.levels, beam_width=self.suffix_codes, name="suffix")
        return CapacityRules(self.capacity, self.locked_levels, self.max_error_ratio, self.beam_width)

    @property
    def assignment_rules(self) -> AssignmentRules:
        """When an item keeps its SID, and how many may move in a night."""
        return AssignmentRules(self.epsilon, self.churn_budget, self.capacity_rules)

    @model_validator(mode="after")
    def _balance_has_rounds(self) -> Self:
        if self.balance is not None and not self.joint_rounds:
            raise ValueError(
                f"balance is {self.balance} and joint_rounds 0; codes are balanced in these rounds: allow some, such as 20"
            )
        return self

    @model_validator(mode="after")
    def _vocabulary_fits(self) -> Self:
        if len(self.vocabulary_per_level) != self.levels:
            raise ValueError(
                f"vocabulary lists {len(self.vocabulary_per_level)} levels, levels is {self.levels}; make them agree"
            )
        if self.locked_levels >= self.levels:
            raise ValueError(f"locked_levels is {self.locked_levels} of {self.levels} levels; leave at least one free")
        if not key_space_fits(self.vocabulary_per_level):
            raise ValueError(f"vocabulary {self.vocabulary_per_level} has more than 2^64 Semantic IDs; use fewer levels or codes")
        return self

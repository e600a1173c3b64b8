"""The sections of ``[learner]``: every term and module of HSRL as a setting."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Whole sessions that are simulated in the time of an iteration with its update.
SESSIONS_AN_ITERATION = 20


class NetworkConfig(BaseModel):
    """Sizes and switches of the network, (10)-(17) in docs/equations.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(32, ge=1, description="d, the width of the state, of a context and of an item.")
    n_blocks: int = Field(2, ge=1, description="Transformer blocks of the encoder.")
    n_heads: int = Field(4, ge=1, description="Attention heads of a block; divides width.")
    critic_hidden: tuple[int, ...] = Field((256, 64), description="Hidden widths of the value network.")
    uses_profile: bool = Field(True, description="Whether the profile joins the history in the state.")
    uses_refusals: bool = Field(
        True,
        description="Whether what was shown in vain joins the state, with what was liked, as a belief about the user; needs [environment] "
        "memory. Off in the preset paper, as published.",
    )
    hierarchy: Literal["residual", "no_residual", "flat"] = Field(
        "residual", description="Contexts: c - e as in (13), e alone, or c(0) for every level."
    )
    token_embedding: Literal["expected", "sampled"] = Field(
        "expected",
        description="What a level hands on: the expected embedding (12), or while learning that of a sampled token.",
    )
    values: Literal["all_levels", "first_level"] = Field(
        "all_levels", description="Values at every context as in (17), or a single value at c(0)."
    )
    level_weights: Literal["learned", "fixed"] = Field(
        "learned", description="Whether the softmax weights of (17) learn with the critic or stay equal."
    )
    critic: Literal["joint", "decomposed"] = Field(
        "joint",
        description="Values learn from their one-step target as in (20), or, decomposed, from a value of state and slate that does: TD "
        "decomposition, for HSRL and for actor-critics over items.",
    )
    critic_trains_encoder: bool = Field(
        False,
        description="Whether the critic's gradient reaches the encoder through the contexts; its errors are far larger than the differences "
        "between good items, and drown them.",
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.n_heads:
            raise ValueError(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        return self


class ExplorationConfig(BaseModel):
    """Acting while learning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_sessions: int = Field(32, ge=1, description="Sessions stepped in parallel.")
    temperature: float = Field(
        0.3,
        gt=0,
        description="Exploration draws SIDs in proportion to probability to the power 1/temperature; 1 is the policy itself.",
    )


class DecodingConfig(BaseModel):
    """Which items a slate holds, while learning and after."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    within_sid: Literal["popularity", "recency", "uniform"] = Field(
        "popularity", description="Whose turn comes first among items of one SID: most likes, newest, or anyone (App. E)."
    )
    sid_share: Literal["whole", "popularity", "equal"] = Field(
        "whole",
        description="How much of its SID's probability an item has: all of it (HSRL eq. 14), (1 + likes) / Σ (1 + likes) over the items of "
        "the SID, or the same part as each of them.",
    )
    leaves_out_seen: bool | None = Field(
        None,
        description="Whether what the user liked or was shown, as far as his state remembers, comes last; "
        "not given: where [environment] repeats lets sessions show nothing twice.",
    )
    max_shows: int = Field(
        0,
        ge=0,
        description="Times the session's memory may hold an item before it comes last; 0 = no limit. Needs [environment] memory.",
    )

    @model_validator(mode="after")
    def _shares_by_what_it_orders_by(self) -> Self:
        if self.sid_share == "popularity" and self.within_sid != "popularity":
            raise ValueError(
                f"within_sid = {self.within_sid} has no say where sid_share = popularity puts the most liked first; "
                "set sid_share = equal or whole"
            )
        return self


class LossesConfig(BaseModel):
    """The terms of the loss and their weights, (18)-(26) in docs/equations.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gamma: float = Field(0.9, ge=0, le=1, description="Discount of the next step's value.")
    polyak: float = Field(0.01, gt=0, le=1, description="Share by which the target networks follow at every update.")
    ratio_clip: float = Field(
        1.0, gt=0, description="Decomposed critic: bound of how much a replayed slate weighs by what today's policy thinks of it."
    )
    advantage: Literal["slate", "item"] = Field(
        "item", description="One advantage for the slate as in (19), or one for each item with the slate's as mean."
    )
    item_share: float = Field(
        0.1,
        ge=0,
        description="How much an item's own reward moves its advantage: 1 = ItemA2C, which sees K times less of the future than of "
        "the present (myopic on Two Shelves); 1/K weighs both alike; 0 is the slate's.",
    )
    advantage_clip: float = Field(1.0, gt=0, description="Advantages are cut to this range around zero.")
    importance_clip: float = Field(
        0.0,
        ge=0,
        description="Bound of the importance weights of replayed items in the policy gradient; 0 = unweighted, as published. Runs "
        "on Four Genres broke unweighted and held with 1, other weights differing too; on Two Shelves 1 was myopic.",
    )
    pg_weight: float = Field(
        0.01,
        ge=0,
        description="Weight of the policy gradient (21); at 0.2 its noise outweighs the small differences between good items.",
    )
    entropy_weight: float = Field(0.001, ge=0, description="Weight of the entropy term (23); 0 leaves it out.")
    likelihood: Literal["positives", "two_sided"] = Field(
        "two_sided", description="Supervision by answers: liked items up as in (24), or liked up and refused down."
    )
    answers: Literal["drawn", "expected", "logged"] = Field(
        "expected",
        description="Whose answers likelihood and rewards learn from: those a session drew, what all training simulators expect, or the log's "
        "own, where no simulator has a say. Drawn where several simulators are kinds of users rather than guesses at the same ones "
        "(Four Genres).",
    )
    log_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="With expected answers: share of every batch that is logged slates with people's own answers, in place of simulated ones; "
        "further items that are asked about there have the simulators' answers.",
    )
    n_asked: int = Field(
        40,
        ge=0,
        description="Items in addition to the slate whose expected answers join the likelihood; half of them shown to others, half anyone's.",
    )
    likelihood_weight: float = Field(1.0, ge=0, description="Weight of the supervision; 0 leaves it out.")
    likelihood_end_weight: float | None = Field(
        None,
        ge=0,
        description="What that weight falls to, linearly, by half of the training; not given: it stays. "
        "Supervision knows this slate only, so that at full weight it outvotes what pays later (Two Shelves).",
    )


class ScheduleConfig(BaseModel):
    """The length of a training, its updates and its rates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_iterations: int = Field(3000, ge=1, description="Environment steps of all sessions together, each followed by one update.")
    batch_size: int = Field(64, ge=1, description="Transitions of an update.")
    replay_capacity: int = Field(100_000, ge=1, description="Newest transitions that are kept.")
    learn_after: int = Field(2000, ge=1, description="Transitions in the replay before the first update.")
    curve_every: int = Field(50, ge=1, description="Iterations that one point of a training curve is the mean of.")
    actor_lr: float = Field(2e-3, gt=0, description="Adam's rate for encoder and policy heads.")
    critic_lr: float = Field(1e-3, gt=0, description="Adam's rate for the critic and its level weights.")
    lr_decay_share: float = Field(
        0.6, ge=0, le=1, description="Last share of the training over which both rates fall to a tenth."
    )

    @model_validator(mode="after")
    def _replay_holds_enough(self) -> Self:
        if self.learn_after > self.replay_capacity:
            raise ValueError(
                f"learn_after {self.learn_after} is more than replay_capacity {self.replay_capacity}: nothing would be learned"
            )
        return self


class SearchConfig(BaseModel):
    """The search for foresight, after the last iteration: what a token is worth beyond its own slate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rounds: int = Field(
        0,
        ge=0,
        description="Rounds of a cross-entropy search, after the last iteration, for what a token is worth beyond its own slate; 0 = none. "
        "Off: what it finds in simulators of one family is lost in those of another, and on real answers (docs/learner.md).",
    )
    n_candidates: int = Field(32, ge=5, description="Candidates of a round; the best fifth shapes the next.")
    n_sessions: int = Field(80, ge=1, description="Whole sessions that a candidate is judged by.")
    first_spread: float = Field(
        0.12,
        gt=0,
        description="Standard deviation of the first candidates, in those of the logits of SIDs; 0.3 began too far away.",
    )

    @property
    def units_a_round(self) -> int:
        """Iterations that take about as long as a round."""
        return max(1, self.n_candidates * self.n_sessions // SESSIONS_AN_ITERATION)

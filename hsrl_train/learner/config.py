"""The ``[learner]`` section: every term and module of HSRL as a line of its own, and the presets that set them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What a preset sets away from the defaults below, which are those of ``best`` (FACTS, recipe).
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "best": MappingProxyType({}),
        # HSRL as published; behind the code's choices stands [code] in EQUATIONS.md. λ_bc is stated nowhere: of 0.01, 0.1 and 1
        # only 1 tells two users of opposite tastes apart (tests/hsrl_train/learner/test_learning.py).
        "paper": MappingProxyType(
            {
                "answers": "drawn",
                "critic_trains_encoder": True,
                "likelihood": "positives",
                "likelihood_weight": 1.0,
                "advantage": "slate",
                "pg_weight": 1.0,
                "entropy_weight": 0.1,
                "temperature": 1.0,
                "actor_lr": 5e-5,
                "critic_lr": 1e-3,
                "lr_decay_share": 0.0,
            }
        ),
    }
)


# Whole sessions that are simulated in the time of an iteration with its update.
SESSIONS_AN_ITERATION = 20


class LearnerConfig(BaseModel):
    """How a policy is built and learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["best", "paper"] = Field(
        "best", description="The defaults of this section: best = what earned its place, paper = HSRL as published."
    )

    method: Literal["hsrl", "item_sasrec", "token_sasrec"] = Field(
        "hsrl",
        description="What learns: HSRL, or SASRec supervised by answers over items, or over tokens with HSRL's network.",
    )

    # length of the training
    n_iterations: int = Field(3000, ge=1, description="Environment steps of all sessions together, each followed by one update.")
    n_sessions: int = Field(32, ge=1, description="Sessions stepped in parallel.")
    batch_size: int = Field(64, ge=1, description="Transitions of an update.")
    replay_capacity: int = Field(100_000, ge=1, description="Newest transitions that are kept.")
    learn_after: int = Field(2000, ge=1, description="Transitions in the replay before the first update.")
    curve_every: int = Field(50, ge=1, description="Iterations that one point of a training curve is the mean of.")

    # the network, (10)-(17)
    width: int = Field(32, ge=1, description="d, the width of the state, of a context and of an item.")
    n_blocks: int = Field(2, ge=1, description="Transformer blocks of the encoder.")
    n_heads: int = Field(4, ge=1, description="Attention heads of a block; divides width.")
    critic_hidden: tuple[int, ...] = Field((256, 64), description="Hidden widths of the value network.")
    uses_profile: bool = Field(True, description="Whether the profile joins the history in the state.")
    uses_refusals: bool = Field(
        False,
        description="Whether what the session showed in vain joins the state; needs [environment] memory. "
        "Off, as published; on, where tastes show only in what is refused (Four Genres).",
    )
    hierarchy: Literal["residual", "no_residual", "flat"] = Field(
        "residual", description="Contexts: c - e as in (13), e alone, or c(0) for every level."
    )
    token_embedding: Literal["expected", "sampled"] = Field(
        "expected",
        description="What a level hands on: the expected embedding (12), or while learning that of one sampled token.",
    )
    values: Literal["all_levels", "first_level"] = Field(
        "all_levels", description="Values at every context as in (17), or one value at c(0)."
    )
    level_weights: Literal["learned", "fixed"] = Field(
        "learned", description="Whether the softmax weights of (17) learn with the critic or stay equal."
    )
    critic_trains_encoder: bool = Field(
        False,
        description="Whether the critic's gradient reaches the encoder through the contexts; its errors are far larger than the differences "
        "between good items, and drown them.",
    )

    # acting while learning
    temperature: float = Field(
        0.3,
        gt=0,
        description="Exploration draws SIDs in proportion to probability to the power 1/temperature; 1 is the policy itself.",
    )

    # decoding: which items a slate holds, while learning and after
    within_sid: Literal["popularity", "recency", "uniform"] = Field(
        "popularity", description="Whose turn comes first among items of one SID: most likes, newest, or anyone (App. E)."
    )
    leaves_out_seen: bool = Field(
        False, description="Whether what the user liked, or the session's memory holds, comes last. Off: users like things again."
    )
    max_shows: int = Field(
        0,
        ge=0,
        description="Times the session's memory may hold an item before it comes last; 0 = no limit. Needs [environment] memory.",
    )

    # the losses, (18)-(26)
    gamma: float = Field(0.9, ge=0, le=1, description="Discount of the next step's value.")
    polyak: float = Field(0.01, gt=0, le=1, description="Share by which the target networks follow at every update.")
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
    answers: Literal["drawn", "expected"] = Field(
        "expected",
        description="Whose answers likelihood and rewards learn from: those a session drew, or what all training simulators expect. Drawn where "
        "several simulators are kinds of users rather than guesses at the same ones (Four Genres).",
    )
    n_asked: int = Field(
        40,
        ge=0,
        description="Items beside the slate whose expected answers join the likelihood; half of them shown to others, half anyone's.",
    )
    likelihood_weight: float = Field(1.0, ge=0, description="Weight of the supervision; 0 leaves it out.")
    likelihood_end_weight: float | None = Field(
        None,
        ge=0,
        description="What that weight falls to, linearly, by half of the training; not given: it stays. "
        "Supervision knows this slate only, so that at full weight it outvotes what pays later (Two Shelves).",
    )

    # the steps
    actor_lr: float = Field(2e-3, gt=0, description="Adam's rate for encoder and policy heads.")
    critic_lr: float = Field(1e-3, gt=0, description="Adam's rate for the critic and its level weights.")
    lr_decay_share: float = Field(
        0.6, ge=0, le=1, description="Last share of the training over which both rates fall to a tenth."
    )

    # foresight: the search after the last iteration
    foresight_rounds: int = Field(
        0,
        ge=0,
        description="Rounds of a cross-entropy search, after the last iteration, for what a token is worth beyond its own slate; 0 = none. "
        "Off: what it finds in simulators of one family is lost in those of another, and on real answers (docs/learner.md).",
    )
    foresight_candidates: int = Field(32, ge=5, description="Candidates of a round; the best fifth shapes the next.")
    foresight_sessions: int = Field(80, ge=1, description="Whole sessions that a candidate is judged by.")
    foresight_spread: float = Field(
        0.12,
        gt=0,
        description="Standard deviation of the first candidates, in those of the logits of SIDs; 0.3 began too far away.",
    )

    @property
    def foresight_units(self) -> int:
        """Iterations that take about as long as a round of that search."""
        return max(1, self.foresight_candidates * self.foresight_sessions // SESSIONS_AN_ITERATION)

    @property
    def n_units(self) -> int:
        """The whole training, in iterations."""
        return self.n_iterations + (self.foresight_rounds * self.foresight_units if self.method == "hsrl" else 0)

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, given: Any) -> Any:
        """What is given stands above what its preset sets."""
        if isinstance(given, dict) and given.get("preset") in PRESETS:
            return {**PRESETS[given["preset"]], **given}
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "LearnerConfig":
        if self.width % self.n_heads:
            raise ValueError(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        if self.learn_after > self.replay_capacity:
            raise ValueError(
                f"learn_after {self.learn_after} is more than replay_capacity {self.replay_capacity}: nothing would be learned"
            )
        return self


class TrainingConfig(BaseModel):
    """How trainings are run; what is learned, and how long at most, says ``[learner]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_seeds: int = Field(
        1,
        description="Seeds that a retrain learns with; published is the policy that does best in the training simulators.",
        ge=1,
    )
    n_processes: int | None = Field(
        None, description="Processes that fit and learn side by side, one thread each; not given: one for each usable core.", ge=1
    )
    device: str = Field(
        "cpu",
        description="Where policies learn: cpu, cuda or cuda:1. Random numbers are drawn on the processor either way, so that the same comes "
        "out but for rounding; simulators are fitted, and policies judged, on the processor.",
    )
    warm_start: bool = Field(
        False, description="Whether the weights of the published policy of this codebook are where a retrain begins."
    )
    judge_every: int = Field(
        0,
        description="Iterations between two judgements in the training simulators, points of the training curve; 0 = none.",
        ge=0,
    )
    judge_sessions: int = Field(200, description="Whole sessions of such a judgement; always the same starts and luck.", ge=1)
    stop_after_flat: int = Field(
        0,
        description="Judgements in a row without a gain over the best so far after which a training ends; 0 = never. "
        "Learning rates still fall by the whole n_iterations of [learner].",
        ge=0,
    )

    @model_validator(mode="after")
    def _judges_before_it_stops(self) -> Self:
        if self.stop_after_flat and not self.judge_every:
            raise ValueError("stop_after_flat counts judgements, but judge_every is 0; set it, for example to 250 iterations")
        return self

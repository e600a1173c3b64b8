"""The training loop that all methods share: sessions, replay, an update an iteration. What a method is, its own file says."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Policy, Records, State, remembered
from hsrl_train.learner.checkpoint import nested, part
from hsrl_train.learner.config import LearnerConfig, flat
from hsrl_train.learner.curves import CurvePoint
from hsrl_train.learner.early_stopping import EarlyStopping
from hsrl_train.learner.logged import in_place, is_scorable, logged_steps, with_some
from hsrl_train.learner.replay import Batch, Choice, Transitions
from hsrl_train.learner.supervision import supervise
from hsrl_train.learner.training_state import TrainingState, states_at
from hsrl_train.simulator.environment import Environment, answered, refill, require_memory
from pipeline.errors import TrainingError

Progress = Callable[[int, Mapping[str, float]], None]
Save = Callable[[dict[str, Tensor]], None]
Draw = Callable[[Sequence[CurvePoint]], None]
# Whose tensors they are, in messages about a training that begins at a published policy.
WARM_START = "warm start, published policy"


class StoredPolicy(Policy, Protocol):
    """A policy whose weights can be kept, and that can say how much it thinks of an item."""

    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """Of each item for each of b users; higher = rather shown. Log-odds of a like, where it learned by the two-sided likelihood."""
        ...

    def to_tensors(self) -> dict[str, Tensor]:
        """The weights; with the LearnerConfig all that reading it back needs."""
        ...


class Learner(Protocol):
    """What a method must say to be trained here.

    Attributes:
        showable: numbers of the items it can score.
    """

    showable: Int[Tensor, " m"]

    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Slates to explore with; row i is always the session that runs in place i."""
        ...

    def learn(self, batch: Batch, rate: float, done_share: float) -> dict[str, float]:
        """One update, its learning rates multiplied by ``rate``; returns figures, among them ``loss``.

        ``done_share`` of the training lies behind it.
        """
        ...

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the weights of a stored policy, or raise TrainingError; moments begin empty."""
        ...

    def policy(self) -> StoredPolicy:
        """What was learned so far, frozen."""
        ...

    def finish(self, environment: Environment, records: Records, seed: int, progress: Progress) -> StoredPolicy:
        """The policy after the last iteration, with whatever is done once at the end; ``progress`` goes on counting there."""
        ...

    def to_tensors(self) -> dict[str, Tensor]:
        """All it must know to go on."""
        ...

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave, or raise TrainingError."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A learner that follows whole sessions, for goals, options or returns."""

    def watch(self, steps: Transitions) -> None:
        """What came of the slates that ``act`` chose last, row for row; where ``is_done`` another session begins in that row."""
        ...


@dataclass(frozen=True)
class Hooks:
    """What goes along with a training and changes nothing of what it learns, but for its end.

    Attributes:
        progress: called with (iteration, figures of the update) after each, then with (that and the units of the search so far, its
            figures) until the method's ``n_units`` are done.
        save: is handed a checkpoint every ``save_every`` iterations and at the end.
        save_every: iterations between two checkpoints.
        resume: a checkpoint of the same settings; the rest of the training equals that of an unbroken training, bit for bit on the
            same machine and thread count.
        early_stopping: judges on the way, fresh; where it finds no more gain, the training ends before ``n_iterations``.
        draw: is handed the points of the curves as they come; after a resumed training's checkpoint, those that come anew.
    """

    progress: Progress | None = None
    save: Save | None = None
    save_every: int = 500
    resume: Mapping[str, Tensor] | None = None
    early_stopping: EarlyStopping | None = None
    draw: Draw | None = None


NO_HOOKS = Hooks()


@dataclass(frozen=True)
class Training:
    """A finished training: the policy, the curves of its losses, rewards, diversity, entropies and level weights, and its length."""

    policy: StoredPolicy
    curves: tuple[CurvePoint, ...]
    n_iterations: int


def train(
    learner: Learner, environment: Environment, records: Records, config: LearnerConfig, seed: int, hooks: Hooks = NO_HOOKS
) -> Training:
    """Let a learner learn in simulated sessions that begin at logged states.

    Args:
        learner: fresh, or any of the same method and settings where ``hooks.resume`` is given.
        environment: the training simulators' sessions.
        records: train records, where sessions begin; their slates' length is K.
        config: lengths, sizes and schedule; the learner has read its own part.
        seed: of starts, exploration, answers and sampling.
        hooks: progress, checkpoints and early stopping.

    Returns:
        The policy after the last iteration, and the curves.

    Raises:
        TrainingError: no records, too few iterations to learn, a loss that is not finite, or a checkpoint that does not fit.
    """
    _require_work(records, config)
    require_memory(environment.config, records.k)
    early = hooks.early_stopping
    settings = {
        **flat(config.model_dump(mode="json")),
        "seed": seed,
        "k": records.k,
        "n_records": len(records),
    }
    settings |= early.settings() if early else {}
    run = TrainingState.fresh(environment, records, config, seed)
    if hooks.resume is not None:
        _resume(run, learner, records, settings, hooks)
    while not _is_over(run, config, early):
        run.iteration += 1
        if config.losses.answers != "logged":
            _interact(run, learner, environment, records)
        figures = _learn(run, learner, environment, records, config)
        if early:
            run.curves.add("judged_reward", early.judged(run.iteration, learner.policy))
        n_drawn = len(run.curves.points)
        run.curves.close(run.iteration)
        if hooks.draw:
            hooks.draw(run.curves.points[n_drawn:])
        if hooks.progress:
            hooks.progress(run.iteration, figures)
        if hooks.save and (run.iteration % hooks.save_every == 0 or _is_over(run, config, early)):
            learned = learner.to_tensors()
            _require_finite(learned, run.iteration)  # else a broken checkpoint would take the place of the last good one
            judged = nested("plateau", early.to_tensors()) if early else {}
            hooks.save({**run.to_tensors(settings), **nested("method", learned), **judged})

    def searched(done: int, figures: Mapping[str, float]) -> None:
        points = [CurvePoint(done, metric, value) for metric, value in figures.items()]
        run.curves.points.extend(points)
        if hooks.draw:
            hooks.draw(points)
        if hooks.progress:
            hooks.progress(done, figures)

    return Training(learner.finish(environment, records, seed, searched), tuple(run.curves.points), run.iteration)


def _resume(run: TrainingState, learner: Learner, records: Records, settings: Mapping[str, Any], hooks: Hooks) -> None:
    """Bring everything to where the checkpoint stands."""
    saved = hooks.resume or {}
    learner.load_tensors(part("method", saved))
    if hooks.early_stopping:
        hooks.early_stopping.load_tensors(part("plateau", saved))
    own = {name: tensor for name, tensor in saved.items() if not name.startswith(("method/", "plateau/"))}
    run.load_tensors(own, records, settings)


def _is_over(run: TrainingState, config: LearnerConfig, early: EarlyStopping | None) -> bool:
    return run.iteration >= config.schedule.n_iterations or (early is not None and early.is_flat)


def rate_at(iteration: int, n_iterations: int, decay_share: float) -> float:
    """What learning rates are multiplied by: 1, then over the last ``decay_share`` of the iterations linearly down to a tenth."""
    done_share = iteration / n_iterations
    if done_share <= 1 - decay_share:
        return 1.0
    return 1.0 - 0.9 * (done_share - (1 - decay_share)) / decay_share


def _interact(run: TrainingState, learner: Learner, environment: Environment, records: Records) -> None:
    """One slate for every session; finished sessions are stored as they ended, then begin anew elsewhere."""
    before, b, k = run.sessions, len(run.user), records.k
    slate, log_prob, note = learner.act(before.state, k, run.generator)
    step = environment.step(before, slate, torch.rand(b, k, generator=run.generator).to(slate.device))
    steps = Transitions(
        run.user,
        before.state.history,
        slate,
        step.feedback,
        step.reward,
        step.done,
        remembered(before.state),
        log_prob,
        step.reward.new_zeros(b, 0) if note is None else note,
    )
    run.replay.add(steps)
    if isinstance(learner, Watching):
        learner.watch(steps)
    run.episode_reward += step.reward
    run.curves.show(slate)
    run.curves.add("step_reward", step.reward.tolist())
    run.curves.add("episode_reward", run.episode_reward[step.done].tolist())
    run.curves.add("episode_depth", step.sessions.n_steps[step.done].tolist())
    run.episode_reward[step.done] = 0
    rows = torch.randint(len(records), (b,), generator=run.generator).to(run.user.device)
    run.user = torch.where(step.done, records.select(rows).user, run.user)
    run.sessions = refill(environment, step.sessions, step.done, states_at(rows, records, environment), run.generator)


def _learn(
    run: TrainingState, learner: Learner, environment: Environment, records: Records, config: LearnerConfig
) -> dict[str, float]:
    """One update once there is enough to learn from; no figures before."""
    size, n_logged = config.schedule.batch_size, config.n_logged
    if n_logged < size and len(run.replay) < config.schedule.learn_after:
        return {}
    rows = logged_steps(run.generator, environment, records, n_logged, run.replay.note_width) if n_logged else None
    if n_logged < size:
        sampled = run.replay.sample(size - n_logged, run.generator)
        rows = sampled if rows is None else Transitions(*(torch.cat(parts) for parts in zip(rows, sampled, strict=True)))
    assert rows is not None  # noqa: S101  (a batch has one row at least)
    is_there = is_scorable(rows.slate, learner.showable)
    rows, is_there = with_some(rows, is_there)
    state = State(records.profiles[rows.user], rows.history, rows.recent)
    after = answered(state, rows.slate, rows.feedback)
    rows = in_place(rows, is_there)
    supervision = supervise(environment, state, rows.slate, rows.feedback, learner.showable, config.losses, run.generator)
    supervision.answers[:n_logged, : rows.slate.shape[1]] = rows.feedback[:n_logged]  # people's own answers stand above forecasts
    answers = supervision.answers[:, : rows.slate.shape[1]]
    item_reward = answers - environment.config.cost * (1 - answers)
    batch = Batch(
        state,
        rows.slate,
        item_reward,
        # A folded reward is no mean over items, so that its expectation is not that of expected answers.
        rows.reward if environment.config.is_reward_folded else item_reward.mean(dim=1),
        rows.is_done,
        after,
        rows.log_prob,
        supervision,
        rows.note,
        rows.feedback,
    )
    rate = rate_at(run.iteration, config.schedule.n_iterations, config.schedule.lr_decay_share)
    figures = learner.learn(batch, rate, run.iteration / config.schedule.n_iterations)
    if not math.isfinite(figures["loss"]):
        raise TrainingError(
            f"training: the loss of iteration {run.iteration} of {config.schedule.n_iterations} is {figures['loss']}, "
            "expected a finite number; lower actor_lr and critic_lr in [learner.schedule]"
        )
    for metric, value in figures.items():
        run.curves.add(metric, [value])
    return figures


def _require_finite(tensors: Mapping[str, Tensor], iteration: int) -> None:
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise TrainingError(
            f"training: {len(broken)} of {len(tensors)} tensors are no longer finite after iteration {iteration}, such as {broken[0]}; "
            "lower actor_lr and critic_lr in [learner.schedule]"
        )


def _require_work(records: Records, config: LearnerConfig) -> None:
    if not len(records):
        raise TrainingError("training: 0 train records, expected one at least; ingest more days or enlarge the train split")
    n_transitions = config.schedule.n_iterations * config.exploration.n_sessions
    if config.losses.answers != "logged" and n_transitions < config.schedule.learn_after:
        raise TrainingError(
            f"training: {n_transitions} transitions in all, fewer than the {config.schedule.learn_after} before the first update; "
            "raise n_iterations or lower learn_after in [learner.schedule]"
        )

"""The one training loop: sessions, replay, an update an iteration. What a method is, its own file says."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Policy, Records, State, remembered
from hsrl_train.learner.checkpoint import nested, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.curves import CurvePoint
from hsrl_train.learner.early_stopping import EarlyStopping
from hsrl_train.learner.replay import Batch, Transitions
from hsrl_train.learner.supervision import supervise
from hsrl_train.learner.training_state import TrainingState, states_at
from hsrl_train.simulator.environment import Environment, refill
from pipeline.errors import TrainingError

Progress = Callable[[int, Mapping[str, float]], None]
Save = Callable[[dict[str, Tensor]], None]


class StoredPolicy(Policy, Protocol):
    """A policy whose weights can be kept."""

    def to_tensors(self) -> dict[str, Tensor]:
        """The weights; with the LearnerConfig all that reading it back needs."""
        ...


class Method(Protocol):
    """What a learner must say to be trained here.

    Attributes:
        showable: numbers of the items it can score.
    """

    showable: Int[Tensor, " m"]

    def act(self, state: State, k: int, generator: torch.Generator) -> tuple[Int[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Slates to explore with: k different active items for each user, and each item's log π(i | s) now."""
        ...

    def learn(self, batch: Batch, rate: float, done_share: float) -> dict[str, float]:
        """One update, its learning rates multiplied by ``rate``; returns figures, among them ``loss``.

        ``done_share`` of the training lies behind it.
        """
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


@dataclass(frozen=True)
class Training:
    """A finished training: the policy, the curves of its losses, rewards, diversity, entropies and level weights, and its length."""

    policy: StoredPolicy
    curves: tuple[CurvePoint, ...]
    n_iterations: int


def train(
    method: Method,
    environment: Environment,
    records: Records,
    config: LearnerConfig,
    seed: int,
    progress: Progress | None = None,
    save: Save | None = None,
    save_every: int = 500,
    resume: Mapping[str, Tensor] | None = None,
    plateau: EarlyStopping | None = None,
) -> Training:
    """Let a method learn in simulated sessions that begin at logged states.

    Args:
        method: fresh, or any of the same making where ``resume`` is given.
        environment: the training simulators' sessions.
        records: train records, where sessions begin; their slates' length is K.
        config: lengths, sizes and schedule; the method read its own part.
        seed: of starts, exploration, answers and sampling.
        progress: told (iteration, figures of the update) after each iteration, then (that and the units of the search so far, its
            figures) until ``config.n_units`` are done.
        save: handed a checkpoint every ``save_every`` iterations and at the end.
        resume: a checkpoint of the same settings; the rest of the training equals that of an unbroken one, bit for bit on one
            machine and thread count.
        plateau: judges on the way, fresh; where it finds no more gain, the training ends before ``config.n_iterations``.

    Returns:
        The policy after the last iteration, and the curves.

    Raises:
        TrainingError: no records, too few iterations to learn, a loss that is not finite, or a checkpoint that does not fit.
    """
    _require_work(records, config)
    settings = {**config.model_dump(mode="json"), "seed": seed, "k": records.exposed.shape[1], "n_records": len(records.user)}
    settings |= plateau.settings() if plateau else {}
    run = TrainingState.fresh(environment, records, config, seed)
    if resume is not None:
        method.load_tensors(part("method", resume))
        if plateau:
            plateau.load_tensors(part("plateau", resume))
        own = {name: tensor for name, tensor in resume.items() if not name.startswith(("method/", "plateau/"))}
        run.load_tensors(own, records, settings)
    while not _is_over(run, config, plateau):
        run.iteration += 1
        _interact(run, method, environment, records)
        figures = _learn(run, method, environment, records, config)
        if plateau:
            run.curves.add("judged_reward", plateau.look(run.iteration, method.policy))
        run.curves.close(run.iteration)
        if progress:
            progress(run.iteration, figures)
        if save and (run.iteration % save_every == 0 or _is_over(run, config, plateau)):
            learned = method.to_tensors()
            _require_finite(learned, run.iteration)  # else a broken checkpoint would take the place of the last good one
            judged = nested("plateau", plateau.to_tensors()) if plateau else {}
            save({**run.to_tensors(settings), **nested("method", learned), **judged})

    def told(done: int, figures: Mapping[str, float]) -> None:
        run.curves.points.extend(CurvePoint(done, metric, value) for metric, value in figures.items())
        if progress:
            progress(done, figures)

    return Training(method.finish(environment, records, seed, told), tuple(run.curves.points), run.iteration)


def _is_over(run: TrainingState, config: LearnerConfig, plateau: EarlyStopping | None) -> bool:
    return run.iteration >= config.n_iterations or (plateau is not None and plateau.is_flat)


def rate_at(iteration: int, n_iterations: int, decay_share: float) -> float:
    """What learning rates are multiplied by: 1, then over the last ``decay_share`` of the iterations linearly down to a tenth."""
    done_share = iteration / n_iterations
    if done_share <= 1 - decay_share:
        return 1.0
    return 1.0 - 0.9 * (done_share - (1 - decay_share)) / decay_share


def _interact(run: TrainingState, method: Method, environment: Environment, records: Records) -> None:
    """One slate for every session; finished sessions are stored as they ended, then begin anew elsewhere."""
    before, b, k = run.sessions, len(run.user), records.exposed.shape[1]
    slate, log_prob = method.act(before.state, k, run.generator)
    step = environment.step(before, slate, torch.rand(b, k, generator=run.generator).to(slate.device))
    run.replay.add(
        Transitions(
            run.user,
            before.state.history,
            slate,
            step.feedback,
            step.reward,
            step.done,
            step.sessions.state.history,
            remembered(before.state),
            remembered(step.sessions.state),
            log_prob,
        )
    )
    run.episode_reward += step.reward
    run.curves.show(slate)
    run.curves.add("step_reward", step.reward.tolist())
    run.curves.add("episode_reward", run.episode_reward[step.done].tolist())
    run.curves.add("episode_depth", step.sessions.n_steps[step.done].tolist())
    run.episode_reward[step.done] = 0
    rows = torch.randint(len(records.user), (b,), generator=run.generator).to(run.user.device)
    run.user = torch.where(step.done, records.user[rows], run.user)
    run.sessions = refill(environment, step.sessions, step.done, states_at(rows, records))


def _learn(
    run: TrainingState, method: Method, environment: Environment, records: Records, config: LearnerConfig
) -> dict[str, float]:
    """One update once the replay holds enough; no figures before."""
    if len(run.replay) < config.learn_after:
        return {}
    rows = run.replay.sample(config.batch_size, run.generator)
    profile = records.profiles[rows.user]
    state = State(profile, rows.history, rows.recent)
    supervision = supervise(environment, state, rows.slate, rows.feedback, method.showable, config, run.generator)
    answers = supervision.answers[:, : rows.slate.shape[1]]
    item_reward = answers - environment.config.cost * (1 - answers)
    batch = Batch(
        state,
        rows.slate,
        item_reward,
        # A folded reward is no mean over items, so that its expectation is not that of expected answers.
        rows.reward if environment.config.is_reward_folded else item_reward.mean(dim=1),
        rows.is_done,
        State(profile, rows.next_history, rows.next_recent),
        rows.log_prob,
        supervision,
    )
    rate = rate_at(run.iteration, config.n_iterations, config.lr_decay_share)
    figures = method.learn(batch, rate, run.iteration / config.n_iterations)
    if not math.isfinite(figures["loss"]):
        raise TrainingError(
            f"training: the loss of iteration {run.iteration} of {config.n_iterations} is {figures['loss']}, "
            "expected a finite number; lower actor_lr and critic_lr in [learner]"
        )
    for metric, value in figures.items():
        run.curves.add(metric, [value])
    return figures


def _require_finite(tensors: Mapping[str, Tensor], iteration: int) -> None:
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise TrainingError(
            f"training: {len(broken)} of {len(tensors)} tensors are no longer finite after iteration {iteration}, such as {broken[0]}; "
            "lower actor_lr and critic_lr in [learner]"
        )


def _require_work(records: Records, config: LearnerConfig) -> None:
    if not len(records.user):
        raise TrainingError("training: 0 train records, expected one at least; ingest more days or enlarge the train split")
    n_transitions = config.n_iterations * config.n_sessions
    if n_transitions < config.learn_after:
        raise TrainingError(
            f"training: {n_transitions} transitions in all, fewer than the {config.learn_after} before the first update; "
            "raise n_iterations or lower learn_after in [learner]"
        )

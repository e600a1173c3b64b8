"""How long a study will take, and how many iterations a budget buys: a few measured of every method, the rest by multiplication."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flows.retrain.training import decided_by_log
from flows.stores.workspace import Workspace
from flows.study.plan import StudyPlan
from flows.study.trial import Trial, models
from hsrl_train.evaluation.judge import Judge, NamedPolicy
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import Training, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.environment import Environment
from pipeline.warehouse.artifacts import fingerprint

_ITERATIONS = (5, 35)  # the first warm up; the difference is what counts
_SESSIONS = 50
_ROUNDS = 3  # where lengths follow from them; to foretell how long a study takes, one will do
_KIND, _FILE = "speed", "speed.json"


@dataclass(frozen=True)
class Speeds:
    """CPU seconds of an iteration with its update, by the variant of a study; what a search changes of it is taken to change no speed.

    They are measured in turns, so that whatever else the machine did slowed all of them alike.
    """

    seconds: Mapping[str, float]

    def of(self, trial: Trial) -> float:
        """Of what the trial learns."""
        return self.seconds[trial.variant]


def measured_speeds(workspace: Workspace, trials: Sequence[Trial], *, decide_lengths: bool) -> Speeds:
    """The speeds of all that these trials learn; kept together, so that a study that goes on has the lengths that it began with.

    Args:
        workspace: where their simulators are fitted already.
        trials: of the whole study; reference rows learn nothing.
        decide_lengths: whether a budget is turned into iterations by them; then the middle of three is taken, else one is measured.
    """
    n_rounds = _ROUNDS if decide_lengths else 1
    store, ways = workspace.artifacts, {_way(trial): trial for trial in trials if trial.seed is not None}
    # A study that a budget began before one measurement was enough for the others goes on with the lengths that it had.
    name = fingerprint(_KIND, sorted(ways), workspace.world.fingerprint, *([] if decide_lengths else [n_rounds]))
    if not store.exists(_KIND, name):
        rounds = [{way: _learning_speed(workspace, trial)[0] for way, trial in ways.items()} for _ in range(n_rounds)]
        middle = {way: statistics.median(found[way] for found in rounds) for way in ways}
        with store.writing(_KIND, name) as folder:
            (folder / _FILE).write_text(json.dumps(middle))
    known = json.loads((store.path(_KIND, name) / _FILE).read_text())
    return Speeds({trial.variant: known[_way(trial)] for trial in trials if trial.seed is not None})


def _way(trial: Trial) -> str:
    """What decides the speed of a training."""
    rates = {"n_iterations", "learn_after", "curve_every", "actor_lr", "critic_lr"}
    learner = trial.settings.learner.model_dump(mode="json", exclude={"schedule": rates})
    return fingerprint(learner, [spec.simulator_id for spec in trial.learned_in])


def cpu_seconds(workspace: Workspace, trials: Sequence[Trial], speeds: Speeds) -> float:
    """CPU seconds that these trials will take, by the speed of each method before it has learned anything.

    Args:
        workspace: where their simulators are fitted already.
        trials: those that are left to do.
        speeds: of what they learn.
    """
    learning = [trial for trial in trials if trial.seed is not None]
    if not learning:
        return 0.0
    second_a_session = _judging_speed(workspace, learning[0])
    n_sessions = sum(
        trial.settings.evaluation.n_sessions * (len(trial.learned_in) + len(trial.judged_by))
        + _judged_on_the_way(trial)
        + _searched(trial.settings.learner)
        for trial in learning
    )
    learned = sum(speeds.of(trial) * trial.settings.learner.schedule.n_iterations for trial in learning)
    return learned + second_a_session * n_sessions


def _judged_on_the_way(trial: Trial) -> int:
    """Sessions that the judgements of a training play."""
    training, n_iterations = trial.settings.training, trial.settings.learner.schedule.n_iterations
    n_judged = n_iterations // training.judge_every if training.judge_every else 0
    return n_judged * training.judge_sessions * len(trial.learned_in)


def _searched(config: LearnerConfig) -> int:
    """Sessions that the search for foresight plays."""
    search = method_named(config.method).configured(config).search
    return search.n_rounds * search.n_candidates * search.n_sessions


def on_budget(plan: StudyPlan, seconds: float, speeds: Speeds) -> StudyPlan:
    """The plan with as many iterations for each variant as ``seconds`` of the processor buy, by its measured speed."""

    def affordable(trial: Trial) -> Trial:
        if trial.seed is None:
            return trial
        learner = trial.settings.learner.shortened(max(1, round(seconds / speeds.of(trial))))
        return replace(trial, settings=trial.settings.model_copy(update={"learner": learner}))

    return replace(plan, trials=tuple(affordable(trial) for trial in plan.trials))


def _learning_speed(workspace: Workspace, trial: Trial) -> tuple[float, Training]:
    """CPU seconds of an iteration with its update, and what so few of them have learned."""
    world = workspace.world_under(trial.sids)
    records = world.records.select(world.records.is_train)
    decided, sessions = decided_by_log(trial.settings.learner, trial.settings.environment, world)
    environment = Environment([simulator.model for simulator in models(workspace.artifacts, world, trial.learned_in)], sessions)
    spent = []
    for n_iterations in _ITERATIONS:
        learner = method_named(decided.method).configured(decided)
        learn_after = min(learner.schedule.learn_after, learner.exploration.n_sessions)
        config = learner.changed(
            {"schedule": {"n_iterations": n_iterations, "learn_after": learn_after}, "search": {"n_rounds": 0}}
        )
        method, sizes = method_named(config.method), (records.profiles.shape[1], records.history_length)
        began = time.process_time()
        trained = train(method.fresh(world.catalogue, *sizes, config, 0), environment, records, config, 0)
        spent.append(time.process_time() - began)
    return max(spent[1] - spent[0], 1e-4) / (_ITERATIONS[1] - _ITERATIONS[0]), trained


def _judging_speed(workspace: Workspace, trial: Trial) -> float:
    """CPU seconds of a whole session; those of a policy that has learned are longer, so more."""
    _, trained = _learning_speed(workspace, trial)
    world = workspace.world_under(trial.sids)
    evaluation = trial.settings.evaluation.model_copy(update={"n_sessions": _SESSIONS})
    environment = trial.settings.environment.as_logged(world.share_shown_again)
    judge = Judge(world, evaluation, environment, trial.settings.seed)
    judging = models(workspace.artifacts, world, (trial.judged_by or trial.learned_in)[:1])
    began = time.process_time()
    judge.play(NamedPolicy("measured", trained.policy), judging, "transferred")
    return (time.process_time() - began) / _SESSIONS

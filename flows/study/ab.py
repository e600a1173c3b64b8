"""A simulated A/B test (HSRL §4.4.2): two arms of live traffic, each retrained every night on its own arm's log, read out in the morning."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from flows.plots.style import colour, figure, styled, write_png
from flows.retrain.simulators import POSITIVES_ONLY, fit_missing, judging_specs, training_specs
from flows.retrain.training import decided_by_log
from flows.runtime.files import written
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.stores.pinned import pin_latest
from flows.stores.workspace import Workspace
from flows.study.trial import models
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.data.world import State
from hsrl_train.evaluation.ab_days import Served, arms_of, serve, with_rows
from hsrl_train.evaluation.ab_readout import Lift, lift, users_needed
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.environment import Environment
from pipeline.errors import ConfigError, TrainingError
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse

REWARD = "total reward a session"
# The shares of the users that a plan of the next test is told for.
_TRAFFICS = (0.05, 0.15, 0.5)


@dataclass(frozen=True)
class AbRequest:
    """What is tested.

    Attributes:
        control: method that users have now.
        treatment: method that some are to have.
        n_days: length of the test.
        traffic: share of the users in each arm, in (0, 0.5].
        n_iterations: of a night's learning; the first night, before the test, has those of the configuration.
        out: folder for the page.
    """

    control: str
    treatment: str
    n_days: int
    traffic: float
    n_iterations: int
    out: Path


@dataclass
class Arm:
    """One side of the test: its users, what they are shown, and what its log holds."""

    name: str
    config: LearnerConfig
    users: Tensor
    states: State
    policy: StoredPolicy
    world: World
    days: list[Served]


@naming_damage
def ab_test(settings: Settings, root: Path, run: Run, request: AbRequest) -> dict[str, Any]:
    """Serve two arms for some days and read the test out; nothing is published.

    The users are of the families of judges that no policy learned in, a family for each user and for good. On the day before the test
    both arms have the control's policy: that is what CUPED takes out.

    Raises:
        HsrlError: whatever a person can mend.
    """
    torch.set_num_threads(1)
    if not 0 < request.traffic <= 0.5:
        raise ConfigError(
            f"--traffic is {request.traffic}, expected a share above 0 and of at most 0.5, since there are two arms"
        )
    if not settings.source.has_refusals:
        raise TrainingError(POSITIVES_ONLY)
    with (
        Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse,
        record_run(warehouse, run, settings.model_dump(mode="json")) as outcome,
    ):
        with run.stage("read the release"):
            pinned = pin_latest(warehouse, settings.engine.memory_limit_mb)
            workspace = Workspace.of(warehouse, pinned.world)
        learned_in = training_specs(workspace.artifacts, pinned.world, settings.simulator, settings.seed)
        people = judging_specs(workspace.artifacts, pinned.world, settings.simulator, settings.seed, settings.evaluation)
        others = [spec for spec in people if spec.config.family != settings.simulator.family] or people
        with run.stage("simulators") as tick:
            fit_missing(workspace, [*learned_in, *others], settings.training.n_processes, tick)
        learner, sessions = decided_by_log(settings.learner, settings.environment, pinned.world)
        taught = Environment([each.model for each in models(workspace.artifacts, pinned.world, learned_in)], sessions)
        service = Environment([each.model for each in models(workspace.artifacts, pinned.world, others)], sessions)
        test = _Test(request, learner, settings.seed, taught, service, pinned.world)
        arms = test.week(run)
        with run.stage("read-out"):
            rows = read_out(arms, request)
            made_by = f"`hsrl ab`, hsrl {code_version()}, release {pinned.release.release_id}"
            paths = _written(arms, rows, request, made_by, root)
        outcome.is_done = True
        return {
            "run_id": run.run_id,
            "control": request.control,
            "treatment": request.treatment,
            "days": request.n_days,
            "users": [len(arm.users) for arm in arms],
            "lifts": [_plain(each) for each in rows],
            "users_needed": _plan(rows, arms, len(pinned.world.records.profiles)),
            "files": [str(path) for path in paths],
            "seconds": run.seconds,
        }


@dataclass(frozen=True)
class _Test:
    request: AbRequest
    learner: LearnerConfig
    seed: int
    taught: Environment
    service: Environment
    world: World

    def week(self, run: Run) -> list[Arm]:
        """The day before, then every day of the test and the night after it."""
        records, request = self.world.records, self.request
        n_users = len(records.user[~records.is_train].unique())
        starts = sample_starts(records, n_users, self.seed)  # one of each user of the test split, in an order of its own
        sides = arms_of(n_users, request.traffic, self.seed)
        arms: list[Arm] = []
        with run.stage("first night") as tick:
            for name, rows in zip((request.control, request.treatment), sides, strict=True):
                config, users = self.learner.model_copy(update={"method": name}), torch.from_numpy(rows)
                policy = self._learned(self.world, config, None, 0)
                arms.append(Arm(name, config, users, starts.select(users), policy, self.world, []))
                tick(len(arms), len(sides))
        with run.stage("days") as tick:
            for day in range(request.n_days + 1):
                for number, arm in enumerate(arms):
                    policy = arm.policy if day else arms[0].policy
                    arm.days.append(self._served(arm, policy, day, number))
                    arm.states = arm.days[-1].state
                    if day:  # the day before belongs to neither
                        arm.world = replace(arm.world, records=with_rows(arm.world.records, arm.days[-1].rows))
                        if day < request.n_days:
                            arm.policy = self._learned(arm.world, self._nightly(arm.config), arm.policy, day)
                tick(day + 1, request.n_days + 1)
        return arms

    def _served(self, arm: Arm, policy: StoredPolicy, day: int, number: int) -> Served:
        kinds = arm.users % len(self.service.models)
        return serve(policy, self.service, arm.states, kinds, self.world.records.k, self.seed + 1000 * day + number)

    def _learned(self, world: World, config: LearnerConfig, before: StoredPolicy | None, night: int) -> StoredPolicy:
        """A night's learning on the records of an arm, from the policy of the day before."""
        method = method_named(config.method)
        config = method.configured(config)
        records = world.records.select(world.records.is_train)
        fresh = method.fresh(world.catalogue, records.profiles.shape[1], records.history_length, config, self.seed)
        if before is not None:
            fresh.start_from(before.to_tensors())
        return train(fresh, self.taught, records, config, self.seed + night).policy

    def _nightly(self, config: LearnerConfig) -> LearnerConfig:
        return config.shortened(self.request.n_iterations).changed({"search": {"n_rounds": 0}})


def read_out(arms: Sequence[Arm], request: AbRequest) -> list[Lift]:
    """The reward with and without CUPED, then the guard rails, a number for each user over the days of the test."""
    control, treatment = arms

    def each_users(arm: Arm, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        total = torch.stack([getattr(day, name).double() for day in arm.days[1:]]).sum(dim=0)
        result: np.ndarray[Any, np.dtype[np.float64]] = total.numpy()
        return result

    rewards = [each_users(arm, "reward") / request.n_days for arm in arms]
    before = (control.days[0].reward.double().numpy(), treatment.days[0].reward.double().numpy())
    refused = [each_users(arm, "n_refused") / each_users(arm, "n_shown") for arm in arms]
    depths = [each_users(arm, "depth") / request.n_days for arm in arms]
    return [
        lift(REWARD, rewards[0], rewards[1], before),
        lift(f"{REWARD}, without CUPED", rewards[0], rewards[1]),
        lift("slates a session", depths[0], depths[1]),
        lift("share of shown places that are refused", refused[0], refused[1]),
    ]


def _plan(rows: Sequence[Lift], arms: Sequence[Arm], n_users: int) -> list[dict[str, Any]]:
    """Users in each arm that find half, once and twice the lift that was seen, and the days that takes at some shares of traffic."""
    found = rows[0]
    spread = float(
        np.sqrt(found.variance_left) * np.std([day.reward.double().numpy() for day in arms[0].days[1:]], axis=1).mean()
    )
    plan = []
    for share in (0.5, 1.0, 2.0):
        difference = share * found.difference
        needed = users_needed(spread, difference) if difference else None
        days = {
            f"days at {traffic:.0%}": None if needed is None else int(np.ceil(needed / max(1, round(traffic * n_users))))
            for traffic in _TRAFFICS
        }
        plan.append({"difference": difference, "user days in each arm": needed, **days})
    return plan


def _plain(found: Lift) -> dict[str, Any]:
    return {**{name: getattr(found, name) for name in Lift.__dataclass_fields__}, "relative": found.relative}


def _written(arms: Sequence[Arm], rows: Sequence[Lift], request: AbRequest, made_by: str, root: Path) -> list[Path]:
    request.out.mkdir(parents=True, exist_ok=True)
    paths = {kind: request.out / f"ab.{kind}" for kind in ("md", "csv", "png")}
    daily = pl.DataFrame(
        [
            {
                "arm": arm.name,
                "day": day,
                "users": len(arm.users),
                "total_reward": float(served.reward.mean()),
                "depth": float(served.depth.double().mean()),
                "distinct_items": len(served.items),
            }
            for arm in arms
            for day, served in enumerate(arm.days)
        ]
    )
    with written(paths["md"], root) as draft:
        draft.write_text(_page(arms, rows, request, made_by), encoding="utf-8")
    with written(paths["csv"], root) as draft:
        daily.write_csv(draft)
    with written(paths["png"], root) as draft, styled():
        made = figure(8.0, 4.0)
        made.suptitle(f"A/B test: {request.treatment} beside {request.control}", x=0.01, ha="left", fontsize=12)
        axes = made.subplots()
        for number, arm in enumerate(arms):
            own = daily.filter(pl.col("arm") == arm.name)
            axes.plot(own["day"], own["total_reward"], marker="o", color=colour(number), label=arm.name)
        axes.set_xlabel("day; on day 0 both arms have the control's policy")
        axes.set_ylabel("total reward a session")
        axes.legend(frameon=False)
        write_png(made, draft)
    return list(paths.values())


def _page(arms: Sequence[Arm], rows: Sequence[Lift], request: AbRequest, made_by: str) -> str:
    lines = [
        f"# A/B test: {request.treatment} beside {request.control}",
        "",
        f"{made_by}. {request.n_days} days, {len(arms[0].users):,} and {len(arms[1].users):,} users; every user comes once a day; each arm "
        f"learns {request.n_iterations:,} iterations a night on its own log. The users are simulated, by families that nobody learned in.",
        "",
        "| metric | control | difference | 95 % interval | relative | p | variance that CUPED left |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.metric} | {row.control:.3f} | {row.difference:+.3f} | {row.low:+.3f} … {row.high:+.3f} | {row.relative:+.1%} | "
        f"{row.p_value:.3g} | {row.variance_left:.2f} |"
        for row in rows
    ]
    return "\n".join([*lines, "", "![Total reward day by day](ab.png)", ""])

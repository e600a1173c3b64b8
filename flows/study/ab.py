"""A simulated A/B test (HSRL §4.4.2): two arms of live traffic, each retrained every night on its own arm's log, read out in the morning."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flows.retrain.simulators import POSITIVES_ONLY, fit_missing, judging_specs, training_specs
from flows.retrain.training import decided_by_log
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.stores.pinned import pin_latest
from flows.stores.workspace import Workspace
from flows.study.ab_page import AbRequest, Arm, plain, plan, read_out, write
from flows.study.ab_values import read_values
from flows.study.made_by import made_by
from flows.study.trial import models
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.evaluation.ab_days import Served, arms_of, serve, with_rows
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.environment import Environment
from pipeline.errors import ConfigError, TrainingError
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse


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
            pinned = pin_latest(
                warehouse, settings.source.name, settings.engine.memory_limit_mb, settings.training.newest_records
            )
            workspace = Workspace.of(warehouse, pinned.world)
            values = read_values(request.values, warehouse, pinned.world.catalogue) if request.values else None
        learned_in = training_specs(workspace.artifacts, pinned.world, settings.simulator, settings.seed)
        people = judging_specs(workspace.artifacts, pinned.world, settings.simulator, settings.seed, settings.evaluation)
        others = [spec for spec in people if spec.config.family != settings.simulator.family] or people
        with run.stage("simulators") as tick:
            fit_missing(workspace, [*learned_in, *others], settings.training.n_processes, tick)
        learner, sessions = decided_by_log(settings.learner, settings.environment, pinned.world)
        taught = Environment([each.model for each in models(workspace.artifacts, pinned.world, learned_in)], sessions)
        service = Environment([each.model for each in models(workspace.artifacts, pinned.world, others)], sessions)
        test = _Test(request, learner, settings.seed, taught, service, pinned.world, values)
        arms = test.week(run)
        with run.stage("read-out"):
            rows = read_out(arms, request)
            made = made_by(f"ab {request.words}", pinned.release.release_id) + f", source {settings.source.name}"
            planned = plan(rows, arms, len(pinned.world.records.profiles))
            paths = write(arms, rows, planned, request, made, root)
        outcome.is_done = True
        return {
            "run_id": run.run_id,
            "control": request.control,
            "treatment": request.treatment,
            "days": request.n_days,
            "users": [len(arm.users) for arm in arms],
            "lifts": [plain(each) for each in rows],
            "users_needed": planned,
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
    values: Tensor | None  # see ab_values.py

    def week(self, run: Run) -> list[Arm]:
        """The day before, then every day of the test and the night after it."""
        records, request = self.world.records, self.request
        n_users = len(records.user[~records.is_train].unique())
        starts = sample_starts(records, n_users, self.seed)  # one of each user of the test split, in an order of its own
        sides = arms_of(n_users, request.traffic, self.seed)
        arms: list[Arm] = []
        with run.stage("first night") as tick:
            sided = {"control": request.control, "treatment": request.treatment}
            for (side, method), rows in zip(sided.items(), sides, strict=True):
                config, users = self.learner.model_copy(update={"method": method}), torch.from_numpy(rows)
                policy = self._learned(self.world, config, None, 0)
                arms.append(Arm(f"{side}: {method}", config, users, starts.select(users), policy, self.world, []))
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
        k, seed = self.world.records.k, self.seed + 1000 * day + number
        return serve(policy, self.service, arm.states, kinds, k, seed, self.values)

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

"""Every policy of a retrain judged alike: same simulators, same starts, same luck, beside the reference rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.stores.tensors import World
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.world import Policy, ResponseModel, State
from hsrl_train.evaluation.baselines import reference_policies
from hsrl_train.evaluation.look_ahead import search_look_ahead
from hsrl_train.evaluation.rollouts import Rollouts, evaluate, summarise
from hsrl_train.simulator.environment import Environment
from pipeline.contracts import check
from pipeline.warehouse.result_tables import EVALUATIONS

# States that the best constant slate is chosen on; more change nothing.
_N_CHOOSING = 1_000
# Simulators by their ids.
Publics = Mapping[str, ResponseModel]


@dataclass(frozen=True)
class Row:
    """A policy's sessions in each of some simulators.

    Attributes:
        played: one entry a simulator.
        simulator_ids: theirs.
        kind: own, transferred, or reference.
        policy_id: None for reference rows.
        seed: that the policy learned with; of the starts and luck for reference rows.
    """

    played: tuple[Rollouts, ...]
    simulator_ids: tuple[str, ...]
    kind: str
    policy_id: str | None
    seed: int

    @property
    def name(self) -> str:
        """Of the policy."""
        return self.played[0].name

    @property
    def together(self) -> Rollouts:
        """The sessions of all simulators as one."""
        rewards, depths = (np.concatenate([getattr(one, what) for one in self.played]) for what in ("rewards", "depths"))
        exposure = np.sum([one.exposure for one in self.played], axis=0)
        return Rollouts(self.name, self.played[0].k, rewards, depths, exposure)


class Judge:
    """Plays policies from the same held-out starts with the same luck.

    Args:
        world: its records hold the starts.
        settings: the run's.
        tick: told (sessions that are over, sessions that are expected).
    """

    def __init__(self, world: World, settings: Settings, tick: Tick | None = None) -> None:
        self.world = world
        self.settings = settings
        self.k = world.records.exposed.shape[1]
        self._tick = tick
        self._n_over = self._n_expected = 0
        self.starts: State = sample_starts(world.records, settings.evaluation.n_sessions, settings.seed)

    def expect(self, n_plays: int) -> None:
        """So many times a policy will be played in a simulator; a judge is told before it plays, so that it knows how far it is."""
        self._n_expected += n_plays * self.settings.evaluation.n_sessions

    def play(
        self,
        name: str,
        policy: Policy | Sequence[Policy],
        simulator_specs: Publics,
        kind: str,
        policy_id: str | None = None,
        seed: int | None = None,
    ) -> Row:
        """Sessions in each simulator, of one policy, or of one that was made for each."""
        policies = policy if isinstance(policy, Sequence) else [policy] * len(simulator_specs)
        played = tuple(
            evaluate(
                name,
                [one],
                [Environment([model], self.settings.environment)],
                self.starts,
                self.k,
                self.world.catalogue,
                self.settings.seed,
                self._counting(),
            )
            for one, model in zip(policies, simulator_specs.values(), strict=True)
        )
        return Row(played, tuple(simulator_specs), kind, policy_id, self.settings.seed if seed is None else seed)

    def references(self, training: Sequence[ResponseModel], judging: Publics) -> list[Row]:
        """All reference rows in the judging simulators; the look-ahead oracle where the configuration has a budget for it."""
        choosing = sample_starts(self.world.records, _N_CHOOSING, self.settings.seed, "train")
        by_judge: list[Mapping[str, Policy]] = [
            reference_policies(training, judge, choosing, self.world.catalogue, self.k) for judge in judging.values()
        ]
        if self.settings.evaluation.look_ahead.n_rounds:
            by_judge = [
                {**policies, "look-ahead oracle": self._look_ahead(judge, choosing)}
                for policies, judge in zip(by_judge, judging.values(), strict=True)
            ]
        self.expect(len(by_judge[0]) * len(judging))
        return [self.play(name, [policies[name] for policies in by_judge], judging, "reference") for name in by_judge[0]]

    def _counting(self) -> Tick | None:
        """What counts the sessions of the next play on from those that are over."""
        if self._tick is None:
            return None
        tick, before = self._tick, self._n_over

        def told(done: int, _: int) -> None:
            self._n_over = before + done
            tick(self._n_over, self._n_expected)

        return told

    def _look_ahead(self, judge: ResponseModel, choosing: State) -> Policy:
        """Found in the simulator that judges it, from starts of the training records."""
        environment = Environment([judge], self.settings.environment)
        budget = self.settings.evaluation.look_ahead
        return search_look_ahead([judge], environment, choosing, self.k, self.world.catalogue, budget, self.settings.seed)


def evaluation_rows(row: Row, settings: Settings, release_id: int, embedding_id: str) -> pl.DataFrame:
    """EVALUATIONS: a line a simulator, and one for all of them where there are several."""
    lines = list(zip(row.played, row.simulator_ids, strict=True))
    if len(lines) > 1:
        lines.append((row.together, "+".join(row.simulator_ids)))
    told = [_line(played, simulator_id, row, settings) for played, simulator_id in lines]
    frame = pl.DataFrame(told).with_columns(release_id=pl.lit(release_id, pl.Int64), embedding_id=pl.lit(embedding_id))
    return check(frame.select(list(EVALUATIONS.schema)).cast(EVALUATIONS.schema), EVALUATIONS, "evaluation")


def _line(played: Rollouts, simulator_id: str, row: Row, settings: Settings) -> dict[str, object]:
    result = summarise(played)
    return {
        "policy": row.name,
        "policy_id": row.policy_id,
        "simulator_id": simulator_id,
        "kind": row.kind,
        "preset": settings.simulator.preset,
        "slate_size": played.k,
        "cost": settings.environment.cost,
        "temper0": settings.environment.temper0,
        "max_steps": settings.environment.max_steps,
        "seed": row.seed,
        "n_sessions": result.n_sessions * result.n_simulators,
        "total_reward": result.total_reward,
        "total_reward_sd": result.sd,
        "ci_low": result.ci95_low,
        "ci_high": result.ci95_high,
        "depth": result.depth,
        "user_reward_variance": result.user_reward_variance,
        "distinct_items": result.distinct_items,
        "gini": result.gini,
        "temper_law": result.spent_temper,
    }

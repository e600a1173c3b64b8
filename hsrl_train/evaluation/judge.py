"""Every policy judged alike: the same simulators, the same starts, the same luck, together with the reference policies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.data.world import Policy, ResponseModel, State
from hsrl_train.evaluation.baselines import reference_policies
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.evaluation.look_ahead import search_look_ahead
from hsrl_train.evaluation.rollouts import Rollouts, SharedStarts, evaluate
from hsrl_train.simulator.config import REPEATS_FROM, EnvironmentConfig
from hsrl_train.simulator.environment import Environment

# States that the best constant slate is chosen on; more change nothing.
_N_CHOOSING = 1_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NamedSimulator:
    """A fitted simulator as the results name it."""

    simulator_id: str
    family: str
    model: ResponseModel


@dataclass(frozen=True)
class NamedPolicy:
    """A policy as the results name it.

    Attributes:
        name: of the row.
        policy: whatever chooses slates.
        policy_id: in the store; None where it is not kept there.
        seed: that it learned with; None for the seed of the starts and luck.
    """

    name: str
    policy: Policy
    policy_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class PolicyResult:
    """A policy's sessions in each of some simulators.

    Attributes:
        rollouts: an entry for each simulator.
        simulator_ids: of those simulators.
        families: of those simulators.
        kind: own (where it learned), transferred (the family that it learned in, fitted on other data by another seed), panel (other
            families), or reference.
        policy_id: None for reference rows.
        seed: that the policy learned with; of the starts and luck for reference rows.
    """

    rollouts: tuple[Rollouts, ...]
    simulator_ids: tuple[str, ...]
    families: tuple[str, ...]
    kind: str
    policy_id: str | None
    seed: int

    @property
    def name(self) -> str:
        """Of the policy."""
        return self.rollouts[0].name

    @property
    def by_family(self) -> dict[str, float]:
        """Mean total reward in the simulators of each family."""
        means = np.array([played.rewards.mean() for played in self.rollouts])
        return {family: float(means[[own == family for own in self.families]].mean()) for family in dict.fromkeys(self.families)}

    @property
    def pooled(self) -> Rollouts:
        """The sessions of all simulators in a single table."""
        rewards, depths = (np.concatenate([getattr(played, name) for played in self.rollouts]) for name in ("rewards", "depths"))
        exposure = np.sum([played.exposure for played in self.rollouts], axis=0)
        n_unsupported = sum(played.n_unsupported for played in self.rollouts)
        return Rollouts(self.name, self.rollouts[0].k, rewards, depths, exposure, n_unsupported, self.families)


def by_kind(simulators: Sequence[NamedSimulator], family: str) -> list[tuple[str, list[NamedSimulator]]]:
    """Simulators that judge what was learned in ``family``: first that family's, then the panel; a kind that has none is left out."""
    groups: dict[str, list[NamedSimulator]] = {"transferred": [], "panel": []}
    for simulator in simulators:
        groups["transferred" if simulator.family == family else "panel"].append(simulator)
    return [(kind, group) for kind, group in groups.items() if group]


class Judge:
    """Plays policies from the same held-out starts with the same luck.

    Args:
        world: its records hold the starts.
        evaluation: how many sessions, and the budget of the look-ahead oracle.
        environment: the rules of a session.
        seed: of the starts and luck.
        progress: called with (sessions that are over, sessions that are expected).
    """

    def __init__(
        self,
        world: World,
        evaluation: EvaluationConfig,
        environment: EnvironmentConfig,
        seed: int,
        progress: Progress | None = None,
    ) -> None:
        self.world = world
        self.evaluation = evaluation
        self.environment = environment
        self.seed = seed
        self.k = world.records.k
        self._progress = progress
        self._n_over = self._n_expected = 0
        is_logged = torch.zeros(len(world.catalogue.is_active), dtype=torch.bool)
        for batch in world.records.batches():
            is_logged[batch.exposed.flatten()] = True
        self._log = (is_logged, world.share_shown_again < REPEATS_FROM)
        self.starts = self._shared(sample_starts(world.records, evaluation.n_sessions, seed))

    def expect(self, n_plays: int) -> None:
        """Announce that a policy will be played in a simulator so many times, so that progress knows how many sessions there are."""
        self._n_expected += n_plays * self.evaluation.n_sessions

    def play(self, policy: NamedPolicy, simulators: Sequence[NamedSimulator], kind: str) -> PolicyResult:
        """Whole sessions of a policy in each simulator."""
        seed = self.seed if policy.seed is None else policy.seed
        return self._play(policy.name, [policy.policy] * len(simulators), simulators, (kind, policy.policy_id, seed))

    def references(self, training: Sequence[ResponseModel], judging: Sequence[NamedSimulator]) -> list[PolicyResult]:
        """All reference rows in the judging simulators; the look-ahead oracle where the configuration has a budget for it.

        Args:
            training: the simulators that policies learn in.
            judging: the simulators that judge; each has reference policies of its own.
        """
        choosing = self._shared(sample_starts(self.world.records, _N_CHOOSING, self.seed, "train"))
        by_judge: list[Mapping[str, Policy]] = [
            reference_policies(
                training,
                simulator.model,
                choosing.states,
                self.world.catalogue,
                self.k,
                forbids_repeats=self.environment.repeats == "never",
            )
            for simulator in judging
        ]
        if self.evaluation.look_ahead.n_rounds:
            by_judge = [
                {**policies, "look-ahead oracle": self._look_ahead(simulator.model, choosing)}
                for policies, simulator in zip(by_judge, judging, strict=True)
            ]
        self.expect(len(by_judge[0]) * len(judging))
        made = ("reference", None, self.seed)
        return [self._play(name, [policies[name] for policies in by_judge], judging, made) for name in by_judge[0]]

    def _play(
        self, name: str, policies: Sequence[Policy], simulators: Sequence[NamedSimulator], made: tuple[str, str | None, int]
    ) -> PolicyResult:
        """Sessions in each simulator of the policy that belongs to it; ``made`` are kind, policy id and seed."""
        rollouts = tuple(
            evaluate(name, [policy], [Environment([simulator.model], self.environment)], self.starts, self._counting())
            for policy, simulator in zip(policies, simulators, strict=True)
        )
        ids, families = ([getattr(simulator, part) for simulator in simulators] for part in ("simulator_id", "family"))
        return PolicyResult(rollouts, tuple(ids), tuple(families), *made)

    def _shared(self, states: State) -> SharedStarts:
        return SharedStarts(states, self.k, self.world.catalogue, self.seed, *self._log)

    def _counting(self) -> Progress | None:
        """A progress callback for the next play that goes on counting from the sessions that are over."""
        if self._progress is None:
            return None
        progress, before = self._progress, self._n_over

        def count(done: int, _: int) -> None:
            self._n_over = before + done
            progress(self._n_over, self._n_expected)

        return count

    def _look_ahead(self, model: ResponseModel, choosing: SharedStarts) -> Policy:
        """Found in the simulator that judges it, from starts of the training records."""
        return search_look_ahead([model], Environment([model], self.environment), choosing, self.evaluation.look_ahead)

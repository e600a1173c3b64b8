"""The audit temper_law against sessions that were really played, under many settings, and against figures that no rules allow."""

import dataclasses

import duckdb
import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.evaluation.baselines import ConstantSlate
from hsrl_train.evaluation.rollouts import Rollouts, SharedStarts, evaluate, summarise
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.warehouse.statements import SQL_ROOT
from tests.support.users import OpenUsers


class Mixed(OpenUsers):
    """Users of one liking: every item has the same log-odds, whatever came before."""

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def logits(self, state: State, slate: torch.Tensor, tastes: torch.Tensor | None = None) -> torch.Tensor:
        return torch.full(slate.shape, float(self.logit))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def played(config: EnvironmentConfig, k: int, logit: float, n: int = 40) -> Rollouts:
    catalogue = Catalogue(
        np.arange(1, k + 1), torch.zeros(k + 1, 1), torch.zeros(k + 1, 1, dtype=torch.int64), (1,), torch.arange(k + 1) > 0,
        torch.ones(k + 1),
    )  # fmt: skip
    states = State(torch.zeros(n, 0), torch.zeros(n, 2, dtype=torch.int64))
    slate = ConstantSlate(torch.arange(1, k + 1))
    return evaluate("row", [slate], [Environment([Mixed(logit)], config)], SharedStarts(states, k, catalogue, seed=3))


def refused(world: duckdb.DuckDBPyConnection, *rows: tuple[EnvironmentConfig, int, float, float]) -> list[int]:
    """Which of these rows (settings, K, depth, total reward) the audit refuses, by their numbers."""
    world.execute("CREATE OR REPLACE TEMP TABLE template AS FROM evaluations WHERE policy = 'hsrl'")
    for number, (config, k, depth, total_reward) in enumerate(rows):
        world.execute(
            "INSERT INTO evaluations SELECT * REPLACE (? AS policy, ? AS temper0, ? AS max_steps, ? AS cost, ? AS slate_size, ? AS depth, "
            "? AS total_reward) FROM template",
            [str(number), config.temper0, config.max_steps, config.cost, k, depth, total_reward],
        )
    query = (SQL_ROOT / "audits" / "temper_law.sql").read_text().rstrip().rstrip(";")
    return sorted(int(policy) for (policy,) in world.execute(f"SELECT policy FROM ({query})").fetchall())


SETTINGS = [
    EnvironmentConfig(temper0=temper0, max_steps=max_steps, cost=cost)
    for temper0 in (1.0, 1.5, 10.0, 20.0, 300.0)
    for max_steps in (1, 10, 20, 40)
    for cost in (0.0, 0.1, 3.0)
]
LIKINGS = (-30.0, 1.0, 5.0, 30.0)  # nothing, .73, .993 and everything liked


@pytest.mark.parametrize("k", [1, 10])
def test_whatever_the_settings_are_sessions_that_were_played_by_them_pass(world: duckdb.DuckDBPyConnection, k: int) -> None:
    """Patience 1 ends with the first slate, 300 with the last; perfect policies stop with patience left; folded or not."""
    folded = [EnvironmentConfig(is_reward_folded=True, temper0=temper0) for temper0 in (20, 50)]
    results = [(config, k, summarise(played(config, k, logit))) for config in (*SETTINGS, *folded) for logit in LIKINGS]
    wrong = refused(world, *((config, k, row.depth, row.total_reward) for config, k, row in results))
    assert [results[number] for number in wrong] == []


def test_two_figures_that_were_refused_though_they_are_right(world: duckdb.DuckDBPyConnection) -> None:
    """K = 10. Patience 10: one slate of ten misses spends 12. Ten slates at most, all liked: 10 spent of 20."""
    assert not refused(world, (EnvironmentConfig(temper0=10), 10, 1, -0.1), (EnvironmentConfig(max_steps=10), 10, 10, 10))


@pytest.mark.parametrize(
    ("config", "depth", "total_reward"),
    [
        (EnvironmentConfig(), 10, 10),  # left after spending 10 of 19
        (EnvironmentConfig(), 10, 9.2),  # 18 of 19
        (EnvironmentConfig(temper0=40), 10, 9.0),  # 20, enough of 20 but not of 40
        (EnvironmentConfig(max_steps=10), 6, 6),  # five of nine sessions may have stopped at the end, the others spent too little
        (EnvironmentConfig(max_steps=10), 10, 10.5),  # more than ten slates can pay
        (EnvironmentConfig(max_steps=10), 11, 9),  # more slates than a session has
        (EnvironmentConfig(), 0.5, -1.4),  # less than a slate a session
        (EnvironmentConfig(), 1, -0.1),  # 12 spent: nobody leaves so early
        (EnvironmentConfig(), 2, -0.3),  # a slate costs 12 at most, ten misses; two cost 25
        (EnvironmentConfig(), 8, 4.0),  # 48 spent: more than the 19 and a last slate
        (EnvironmentConfig(max_steps=1), 0.9, 0.5),
        (EnvironmentConfig(temper0=10), 5, 4.9),  # 6 of 9
        (EnvironmentConfig(cost=3), 1, -3.2),
        (EnvironmentConfig(), float("nan"), 4),
        (EnvironmentConfig(), 8, float("inf")),
    ],
)
def test_means_that_these_settings_do_not_allow_are_found(
    world: duckdb.DuckDBPyConnection, config: EnvironmentConfig, depth: float, total_reward: float
) -> None:
    assert refused(world, (config, 10, depth, total_reward)) == [0]


def test_judging_by_other_rules_than_the_stored_ones_is_found(world: duckdb.DuckDBPyConnection) -> None:
    """Sessions of patience 30 told as such of 20, and the other way round."""
    for true, written in ((20.0, 30.0), (30.0, 20.0)):
        config = EnvironmentConfig(temper0=true, max_steps=50)
        row = summarise(played(config, 10, 0.5))
        assert refused(world, (config.model_copy(update={"temper0": written}), 10, row.depth, row.total_reward))


def test_the_spent_temper_of_a_row_is_what_its_sessions_lost() -> None:
    """K = 2, all missed at c = 0: each slate takes 3, so that 20 last 7 slates and 21 are spent."""
    row = dataclasses.asdict(summarise(played(EnvironmentConfig(cost=0), 2, -30)))
    assert (row["depth"], row["temper_law"]) == (7, 21)

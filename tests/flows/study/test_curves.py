"""The curves of a study: what a training cost by each judgement, in CPU seconds and in slates that users answered."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from flows.plots.style import styled
from flows.stores.policies import CURVES
from flows.study.curves import curves_chart, curves_of
from hsrl_train.learner.config import LearnerConfig


@pytest.fixture
def curves(tmp_path: Path) -> pl.DataFrame:
    """Two judgements of a training of twenty iterations that took 10 CPU seconds, by a method with sessions and by one of the log alone."""
    pl.DataFrame({"iteration": [10, 20], "metric": ["judged_reward"] * 2, "value": [1.0, 2.0]}).write_parquet(tmp_path / CURVES)

    def outcome(method: str) -> Any:
        learner = LearnerConfig.model_validate(
            {"method": method, "exploration": {"n_sessions": 16}, "schedule": {"n_iterations": 20}}
        )
        trial = SimpleNamespace(variant=method, seed=0, settings=SimpleNamespace(learner=learner))
        return SimpleNamespace(policy_id=method, trial=trial, cpu_seconds=10.0)

    workspace: Any = SimpleNamespace(artifacts=SimpleNamespace(path=lambda _kind, _name: tmp_path))
    return curves_of(workspace, [outcome("ddpg"), outcome("sl_offline")])


def test_a_method_that_learns_from_the_log_alone_had_no_slate_answered(curves: pl.DataFrame) -> None:
    """Sixteen sessions, ten and twenty iterations; ``sl_offline`` fixes answers = "logged" whatever is configured."""
    assert curves.select("variant", "iteration", "interactions", "cpu_seconds").rows() == [
        ("ddpg", 10, 160, 5.0),
        ("ddpg", 20, 320, 10.0),
        ("sl_offline", 10, 0, 5.0),
        ("sl_offline", 20, 0, 10.0),
    ]


def test_it_is_drawn_over_cpu_seconds_only_and_named(curves: pl.DataFrame) -> None:
    with styled():
        left, right = curves_chart("How fast", curves).axes
    assert [len(line.get_xdata()) for line in left.lines] == [2, 2]
    assert [len(line.get_xdata()) for line in right.lines] == [2, 0]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["ddpg", "sl_offline"]

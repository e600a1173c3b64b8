"""Supervised methods and the look-ahead oracle in the same table as the policy."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError

pytestmark = pytest.mark.slow


def test_methods_beside_are_judged_in_the_same_simulators(fitted: Any, tmp_path: Path) -> None:
    world = fitted.copy(tmp_path)
    more = 'n_sessions = 40\nother_methods = ["item_sasrec", "token_sasrec"]\nlook_ahead = {n_rounds = 1, n_candidates = 5, n_sessions = 4}'
    report = world.retrain(world.changed(("n_sessions = 40", more)))
    kinds = {(row["policy"], row["kind"]) for row in report["evaluation"]}
    assert {(name, kind) for name in ("hsrl", "item_sasrec", "token_sasrec") for kind in ("own", "transferred")} < kinds
    assert ("look-ahead oracle", "reference") in kinds


def test_what_lives_in_the_sessions_memory_needs_one(refreshed: Any) -> None:
    with pytest.raises(ConfigError, match=r"simulator.preset saturating needs .* set environment.memory"):
        refreshed.changed(("n_epochs = 6", 'n_epochs = 6\npreset = "saturating"'))

"""Whatever learns from a release is refused under the configuration of another source: its pages and rows would name the wrong log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.retrain.flow import retrain
from flows.runtime.run import Run
from flows.runtime.settings import Settings
from flows.runtime.steps import DirectSteps
from flows.study.ab import ab_test
from flows.study.ab_page import AbRequest
from flows.study.plan import StudyRequest
from flows.study.reproduce import reproduce
from pipeline.errors import ConfigError

FLOWS: dict[str, Callable[[Settings, Path, Path], object]] = {
    "retrain": lambda settings, root, _: retrain(settings, root, Run("nightly-retrain"), DirectSteps()),
    "reproduce": lambda settings, root, out: reproduce(settings, root, Run("reproduce"), StudyRequest("weights", 1, 5, out)),
    "ab": lambda settings, root, out: ab_test(settings, root, Run("ab"), AbRequest("a2c", "hsrl", 1, 0.5, 5, out)),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_the_configuration_of_another_source_is_refused(refreshed: Any, tmp_path: Path, flow: str) -> None:
    world, own = refreshed.copy(tmp_path), refreshed.settings
    other = own.model_copy(update={"source": own.source.model_copy(update={"name": "ml-100k"})})
    line = (
        rf"^source\.name is 'ml-100k', but release 1 of \S+ was made from '{own.source.name}'; name the configuration of that source, or "
        r"the warehouse of this one with --warehouse$"
    )
    with pytest.raises(ConfigError, match=line):
        FLOWS[flow](other, world.root, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list((world.root / "artifacts").glob("simulator"))

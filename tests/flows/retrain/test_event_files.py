"""TensorBoard event files: what a training hands over is read back by TensorBoard's own reader."""

from pathlib import Path

import pytest

from flows.retrain import event_files
from flows.retrain.event_files import drawing, require_tensorboard
from hsrl_train.learner.curves import CurvePoint
from pipeline.errors import ConfigError


def read_back(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra tensorboard is not installed"
    )
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    return {name: [(point.step, point.value) for point in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_points_are_read_back_and_those_after_a_kill_take_the_place_of_what_was_drawn(tmp_path: Path) -> None:
    """Killed after 30 with a checkpoint at 20: the points of 30 come twice, and count once."""
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    with drawing(str(tmp_path), "p") as draw:
        assert draw is not None
        draw([CurvePoint(10, "loss", 0.5), CurvePoint(10, "value", 1.0)])
        draw([])
        draw([CurvePoint(20, "loss", 0.25)])
        draw([CurvePoint(30, "loss", 0.75)])
    with drawing(str(tmp_path), "p") as draw:
        assert draw is not None
        draw([CurvePoint(30, "loss", 0.125)])
    assert read_back(tmp_path / "p") == {"loss": [(10, 0.5), (20, 0.25), (30, 0.125)], "value": [(10, 1.0)]}


def test_without_the_setting_nothing_is_drawn(tmp_path: Path) -> None:
    with drawing(None, "p") as draw:
        assert draw is None
    require_tensorboard(None)


def test_a_missing_extra_is_named_before_anything_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=r"tensorboard needs the extra tensorboard; install it with: pip install -e '\.\[tensor"
    ):
        require_tensorboard("runs")

"""The checkpoint of a training keeps what CPU time it took so far, so that one that was killed reports all of it in the end."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from flows.retrain import training
from flows.retrain.training import CheckpointFile


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """CPU seconds of the process, to be set."""
    now = [0.0]
    monkeypatch.setattr(training.time, "process_time", lambda: now[0])
    return now


def test_a_training_that_goes_on_counts_the_attempts_before_it(tmp_path: Path, clock: list[float]) -> None:
    """5 s to the first checkpoint, killed; 3 s more to the second, killed; 2 s to the end: 10 s. What was lost after a checkpoint is not."""
    path = tmp_path / "folder" / "checkpoint.safetensors"
    weights = {"network/bias": torch.ones(2)}
    for began, saved, ended in ((2.0, 7.0, 9.0), (1.0, 4.0, 6.0)):
        clock[0] = began
        attempt = CheckpointFile(path)
        before = attempt.resumed()
        clock[0] = saved
        attempt.save(weights)
        clock[0] = ended
    assert before is not None and list(before) == list(weights)
    clock[0] = 0.5
    last = CheckpointFile(path)
    assert last.resumed() is not None
    clock[0] = 2.5
    assert last.cpu_seconds == pytest.approx(10.0)


def test_a_fresh_training_and_a_checkpoint_of_before_count_from_their_own_beginning(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "checkpoint.safetensors"
    assert CheckpointFile(path).resumed() is None
    save_file({"network/bias": torch.ones(2)}, path)
    attempt = CheckpointFile(path)
    assert list(attempt.resumed() or ()) == ["network/bias"]
    clock[0] = 3.0
    assert attempt.cpu_seconds == 3.0

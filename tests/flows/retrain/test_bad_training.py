"""A training that cannot go on: one clear line, the last good checkpoint kept, and the same policy once the fault is mended."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from flows.retrain import training
from flows.retrain.simulators import SimulatorSpec, fit_missing, training_specs
from flows.retrain.training import TrainingJob, find_or_train
from flows.runtime.settings import Settings
from flows.stores.pinned import pin_latest
from flows.stores.policies import load_tensors
from flows.stores.workspace import Workspace
from hsrl_train.data.starts import sample_starts
from hsrl_train.learner.methods.hsrl import Hsrl
from pipeline.errors import TrainingError
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.warehouse import Warehouse


def job_of(settings: Settings, simulators: tuple[SimulatorSpec, ...]) -> TrainingJob:
    return TrainingJob(settings.learner, settings.environment, settings.training, settings.seed, 5, simulators)


def weights_of(world: Any) -> list[str]:
    return [sha256_of(file) for file in sorted(world.root.glob("artifacts/policy/*/policy.safetensors"))]


def iteration_kept(world: Any) -> int:
    (checkpoint,) = world.root.glob("staging/training/*/checkpoint.safetensors")
    return int(load_tensors(checkpoint)["iteration"])


def goes_on_to_the_same_policy(world: Any, retrained: Any) -> None:
    world.retrain()
    assert weights_of(world) == weights_of(retrained)


def nan_loss(monkeypatch: pytest.MonkeyPatch) -> str:
    """The loss of iteration 45 is no number."""

    def learn(method: Any, batch: Any, rate: float, done_share: float, real: Any = Hsrl.learn) -> dict[str, float]:
        figures = real(method, batch, rate, done_share)
        return {**figures, "loss": float("nan")} if done_share >= 45 / 60 else figures

    monkeypatch.setattr(Hsrl, "learn", learn)
    return "hsrl: training: the loss of iteration 45 of 60 is nan, expected a finite number; lower actor_lr and critic_lr in [learner.schedule]"


def nan_weights(monkeypatch: pytest.MonkeyPatch) -> str:
    """The update of iteration 60 leaves weights that are no numbers, its loss still being one."""

    def learn(method: Any, batch: Any, rate: float, done_share: float, real: Any = Hsrl.learn) -> dict[str, float]:
        figures = real(method, batch, rate, done_share)
        if done_share == 1:
            torch.nn.init.constant_(method.network.bias, float("nan"))
        return figures

    monkeypatch.setattr(Hsrl, "learn", learn)
    return "tensors are no longer finite after iteration 60, such as network/bias; lower actor_lr"


def full_disk(error: Exception) -> Callable[[pytest.MonkeyPatch], str]:
    """The third checkpoint finds no room."""

    def broken(monkeypatch: pytest.MonkeyPatch) -> str:
        saved: list[Path] = []

        def save(tensors: Any, path: Path, real: Any = save_file) -> None:
            saved.append(path)
            if len(saved) == 3:
                path.write_bytes(b"half")
                raise error
            real(tensors, path)

        monkeypatch.setattr(training, "save_file", save)
        return "No space left on device"

    return broken


@pytest.mark.parametrize(
    "break_it",
    [
        nan_loss,
        nan_weights,
        full_disk(OSError(errno.ENOSPC, "No space left on device", "checkpoint.draft")),
        full_disk(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")),
    ],
    ids=["loss", "weights", "disk", "disk, told by the library"],
)
def test_the_last_good_checkpoint_is_kept(
    fitted: Any, retrained: Any, tmp_path: Path, hsrl: Callable[..., Any], break_it: Callable[[pytest.MonkeyPatch], str]
) -> None:
    """Checkpoints at 20, 40 and 60: that of 40 stays, whatever happens after it."""
    world = fitted.copy(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "CHECKPOINT_EVERY", 20)
        expected = break_it(patched)
        told = hsrl("retrain", "--config", world.config, "--warehouse", world.root)
    assert told.code == 2 and expected in told.err.splitlines()[-1] and "Traceback" not in told.err
    assert iteration_kept(world) == 40 and weights_of(world) == []
    goes_on_to_the_same_policy(world, retrained)


def test_too_few_items_with_semantic_ids_are_refused(fitted: Any, tmp_path: Path) -> None:
    """All but three items lose theirs; K = 10."""
    world = fitted.copy(tmp_path)
    with Warehouse.open(world.root) as warehouse:
        pinned = pin_latest(warehouse, world.settings.source.name, world.settings.engine.memory_limit_mb)
        pinned.world.catalogue.tokens[4:] = -1
        place = Workspace.of(warehouse, pinned.world)
        simulators = tuple(training_specs(place.artifacts, pinned.world, world.settings.simulator, world.settings.seed))
        fit_missing(place, simulators, 1, lambda *_: None)
        with pytest.raises(
            TrainingError, match=r"3 active items have a SID, expected at least the slate's 10; shorten the slate"
        ):
            find_or_train(place, [job_of(world.settings, simulators)], 1, lambda *_: None)


def test_records_of_items_without_semantic_ids_are_learned_from(fitted: Any, tmp_path: Path) -> None:
    """Twenty items keep theirs: sessions still begin at records of the others, which are seen by their vectors and never shown."""
    world = fitted.copy(tmp_path)
    with Warehouse.open(world.root) as warehouse:
        pinned = pin_latest(warehouse, world.settings.source.name, world.settings.engine.memory_limit_mb)
        pinned.world.catalogue.tokens[21:] = -1
        place = Workspace.of(warehouse, pinned.world)
        simulators = tuple(training_specs(place.artifacts, pinned.world, world.settings.simulator, world.settings.seed))
        fit_missing(place, simulators, 1, lambda *_: None)
        (trained,) = find_or_train(place, [job_of(world.settings, simulators)], 1, lambda *_: None)
        records = pinned.world.records
        state = sample_starts(records, 40, 0)
        assert (records.history > 20).any() and int(trained.policy.slates(state, 10, torch.Generator()).max()) <= 20

"""What a process needs to fit, learn and judge: the stores, and the world as one file."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from flows.tensors import World
from hsrl_train.world import Catalogue, Records
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.warehouse import Warehouse

_RECORDS = ("user", "exposed", "feedback", "history", "is_train", "profiles")
_CATALOGUE = ("vectors", "tokens", "is_active", "popularity", "first_seen")
_FILE = "world.safetensors"


@dataclass
class Workplace:
    """Handed to a worker process it holds paths only: the worker reads the world from the file.

    Attributes:
        artifacts: where simulators, policies and results are kept.
        staging: where checkpoints are.
        name: of the world.
    """

    artifacts: ArtifactStore
    staging: ArtifactStore
    name: str
    _world: World | None = field(repr=False)

    @classmethod
    def of(cls, warehouse: Warehouse, world: World) -> "Workplace":
        """The place where ``world`` is learned from; its file is written by ``lay_out``."""
        name = f"world-{fingerprint(world.fingerprint, world.sid_fingerprint)}"
        return cls(warehouse.artifacts, warehouse.staging, name, world)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_world": None}

    @property
    def world(self) -> World:
        """Here as it was given, in a worker from the file."""
        if self._world is None:
            self._world = _read(self._folder / _FILE)
        return self._world

    @property
    def _folder(self) -> Path:
        return self.staging.path("training", self.name)

    def lay_out(self) -> None:
        """Write the world where workers find it, unless it lies there."""
        if not self.staging.exists("training", self.name):
            with self.staging.writing("training", self.name) as folder:
                _write(folder / _FILE, self.world)

    def clear(self) -> None:
        """Remove the file; only when no worker is left."""
        self.staging.discard("training", self.name)


def with_tokens(world: World, tokens: torch.Tensor, vocabulary: tuple[int, ...], sid_fingerprint: str) -> World:
    """The same world under other Semantic IDs: (n + 1, L) tokens, −1 for padding and items without one."""
    return replace(
        world, catalogue=replace(world.catalogue, tokens=tokens, vocabulary=vocabulary), sid_fingerprint=sid_fingerprint
    )


def _write(path: Path, world: World) -> None:
    tensors = {f"records/{name}": getattr(world.records, name).contiguous() for name in _RECORDS}
    tensors |= {
        f"catalogue/{name}": getattr(world.catalogue, name).contiguous()
        for name in _CATALOGUE
        if getattr(world.catalogue, name) is not None
    }
    tensors["catalogue/item_ids"] = torch.tensor(world.catalogue.item_ids)
    vocabulary = "-".join(map(str, world.catalogue.vocabulary))
    save_file(
        tensors, path, {"vocabulary": vocabulary, "fingerprint": world.fingerprint, "sid_fingerprint": world.sid_fingerprint}
    )


def _read(path: Path) -> World:
    with safe_open(path, framework="pt") as stored:
        told = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 no dict
    catalogue = Catalogue(
        item_ids=tensors["catalogue/item_ids"].numpy(),
        vocabulary=tuple(int(codes) for codes in told["vocabulary"].split("-")),
        **{name: tensors.get(f"catalogue/{name}") for name in _CATALOGUE},  # type: ignore[arg-type]
    )
    records = Records(*(tensors[f"records/{name}"] for name in _RECORDS))
    return World(records, catalogue, told["fingerprint"], told["sid_fingerprint"])

"""What a process needs to fit, learn and judge: the stores, and the world as one file."""

import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hsrl_train.data.tensors import World
from hsrl_train.data.world import Catalogue, Records
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.warehouse import Warehouse

_RECORDS = ("user", "exposed", "feedback", "history", "is_train", "profiles")
_CATALOGUE = ("vectors", "tokens", "is_active", "popularity", "first_seen")
_FILE = "world.safetensors"


@dataclass
class Workspace:
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
    def of(cls, warehouse: Warehouse, world: World) -> "Workspace":
        """The place where ``world`` is learned from; its file is written by ``lay_out``, and what killed processes left goes."""
        _clear_after_the_dead(warehouse.staging)
        # The name is its own, as it clears the file away when it is done with it; the process in it tells the dead.
        name = f"world-{fingerprint(world.fingerprint, world.sid_fingerprint)}-{_own_ending()}"
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

    def lay_out_sids(self, other: World) -> str:
        """Write other Semantic IDs of the same world; return the name to ask for them by."""
        name = f"sids-{other.sid_fingerprint}-{self.name.split('-', 2)[2]}"
        if not self.staging.exists("training", name):
            vocabulary = "-".join(map(str, other.catalogue.vocabulary))
            with self.staging.writing("training", name) as folder:
                told = {"vocabulary": vocabulary, "sid_fingerprint": other.sid_fingerprint}
                save_file({"tokens": other.catalogue.tokens}, folder / _FILE, told)
        return name

    def world_under(self, sids: str | None) -> World:
        """The world under Semantic IDs that were laid out; None = its own."""
        if sids is None:
            return self.world
        tensors, told = _load(self.staging.path("training", sids) / _FILE)
        catalogue = replace(self.world.catalogue, tokens=tensors["tokens"], vocabulary=_vocabulary(told))
        return replace(self.world, catalogue=catalogue, sid_fingerprint=told["sid_fingerprint"])

    def clear(self, *sids: str) -> None:
        """Remove the files; only when no worker is left."""
        for name in (self.name, *sids):
            self.staging.discard("training", name)


def _clear_after_the_dead(staging: ArtifactStore) -> None:
    """Remove the files of processes that were killed before they could."""
    for kind in ("world", "sids"):
        for folder in staging.path("training", kind).parent.glob(f"{kind}-*"):
            process = folder.name.rpartition("-")[2]
            if process.isdecimal() and not _is_running(int(process)):
                staging.discard("training", folder.name)


def _own_ending() -> str:
    """Two runs in one process have the process in common."""
    return f"{secrets.token_hex(4)}-{os.getpid()}"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


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
    tensors, told = _load(path)
    catalogue = Catalogue(
        item_ids=tensors["catalogue/item_ids"].numpy(),
        vocabulary=_vocabulary(told),
        **{name: tensors.get(f"catalogue/{name}") for name in _CATALOGUE},  # type: ignore[arg-type]
    )
    records = Records(*(tensors[f"records/{name}"] for name in _RECORDS))
    return World(records, catalogue, told["fingerprint"], told["sid_fingerprint"])


def _load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata()  # noqa: SIM118 no dict


def _vocabulary(told: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(codes) for codes in told["vocabulary"].split("-") if codes)  # empty before there are Semantic IDs

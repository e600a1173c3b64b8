"""What a process needs to fit simulators, train and judge policies: the artifact stores, and the world as a file."""

import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from flows.stores.mapped import load_arrays, save_arrays
from hsrl_train.data.tensors import World, records_of
from hsrl_train.data.world import Catalogue
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.warehouse import Warehouse

_LOG = ("user", "shown", "likes", "ends", "is_train")
_ROWS = "rows"
_CATALOGUE = ("vectors", "tokens", "is_active", "popularity", "first_seen")
_FILE = "world.safetensors"


@dataclass
class Workspace:
    """Where jobs find the world and leave what they make.

    It is pickled without the world: a worker process that receives it reads the world from the file.

    Attributes:
        artifacts: simulators, policies and results.
        staging: checkpoints, and the files of this workspace.
        name: the folder of the world's file in ``staging``.
    """

    artifacts: ArtifactStore
    staging: ArtifactStore
    name: str
    _world: World | None = field(repr=False)

    @classmethod
    def of(cls, warehouse: Warehouse, world: World) -> "Workspace":
        """A workspace for ``world``, whose file ``lay_out`` writes; files that killed processes left are removed."""
        _remove_files_of_killed_processes(warehouse.staging)
        # The name is unique, as ``clear`` removes the file; it ends with the process, so that files of killed ones are known.
        name = f"world-{fingerprint(world.fingerprint, world.sid_fingerprint)}-{_unique_suffix()}"
        return cls(warehouse.artifacts, warehouse.staging, name, world)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: everything but the world."""
        return {**self.__dict__, "_world": None}

    @property
    def world(self) -> World:
        """The world as it was given or, in a worker process, as it is read from the file."""
        if self._world is None:
            self._world = _read(self._folder)
        return self._world

    @property
    def _folder(self) -> Path:
        return self.staging.path("training", self.name)

    def lay_out(self) -> None:
        """Write the world where workers find it, unless it is there."""
        if not self.staging.exists("training", self.name):
            with self.staging.writing("training", self.name) as folder:
                _write(folder, self.world)

    def lay_out_sids(self, other: World) -> str:
        """Write other Semantic IDs of the same world; return the name under which ``world_under`` finds them."""
        name = f"sids-{other.sid_fingerprint}-{self.name.split('-', 2)[2]}"
        if not self.staging.exists("training", name):
            vocabulary = "-".join(map(str, other.catalogue.vocabulary))
            with self.staging.writing("training", name) as folder:
                metadata = {"vocabulary": vocabulary, "sid_fingerprint": other.sid_fingerprint}
                save_file({"tokens": other.catalogue.tokens}, folder / _FILE, metadata)
        return name

    def world_under(self, sids: str | None) -> World:
        """The world under Semantic IDs that ``lay_out_sids`` wrote; None = its own."""
        if sids is None:
            return self.world
        tensors, metadata = _load(self.staging.path("training", sids) / _FILE)
        catalogue = replace(self.world.catalogue, tokens=tensors["tokens"], vocabulary=_vocabulary(metadata))
        return replace(self.world, catalogue=catalogue, sid_fingerprint=metadata["sid_fingerprint"])

    def clear(self, *sids: str) -> None:
        """Remove the world's file and those of other Semantic IDs; no worker may be running."""
        for name in (self.name, *sids):
            self.staging.discard("training", name)


def _remove_files_of_killed_processes(staging: ArtifactStore) -> None:
    """Remove what processes laid out that were killed before they called ``clear``."""
    for kind in ("world", "sids"):
        for folder in staging.path("training", kind).parent.glob(f"{kind}-*"):
            process = folder.name.rpartition("-")[2]
            if process.isdecimal() and not _is_running(int(process)):
                staging.discard("training", folder.name)


def _unique_suffix() -> str:
    """A random part, since two runs may share a process, and the process id."""
    return f"{secrets.token_hex(4)}-{os.getpid()}"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _write(folder: Path, world: World) -> None:
    """The log as an array a file, which workers map, and all else as tensors."""
    log, rows, catalogue = world.records.log, world.records.rows, world.catalogue
    arrays = {name: getattr(log, name).numpy() for name in _LOG}
    save_arrays(arrays if rows is None else {**arrays, _ROWS: rows.numpy()}, folder)
    tensors = {name: tensor.contiguous() for name in _CATALOGUE if (tensor := getattr(catalogue, name)) is not None}
    tensors |= {"item_ids": torch.tensor(catalogue.item_ids), "profiles": log.profiles.contiguous()}
    vocabulary = "-".join(map(str, catalogue.vocabulary))
    fingerprints = {"fingerprint": world.fingerprint, "sid_fingerprint": world.sid_fingerprint}
    save_file(tensors, folder / _FILE, {"vocabulary": vocabulary, **fingerprints})


def _read(folder: Path) -> World:
    tensors, metadata = _load(folder / _FILE)
    catalogue = Catalogue(
        item_ids=tensors["item_ids"].numpy(),
        vocabulary=_vocabulary(metadata),
        **{name: tensors.get(name) for name in _CATALOGUE},  # type: ignore[arg-type]
    )
    arrays = load_arrays(folder)
    rows = arrays.pop(_ROWS, None)
    records = records_of(arrays, tensors["profiles"].numpy(), rows)
    return World(records, catalogue, metadata["fingerprint"], metadata["sid_fingerprint"])


def _load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata()  # noqa: SIM118 no dict


def _vocabulary(metadata: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(codes) for codes in metadata["vocabulary"].split("-") if codes)  # empty before there are Semantic IDs

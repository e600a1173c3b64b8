"""Arrays that are larger than memory should be: written part by part to files, and read from there as they are asked for."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def put_together(parts: Iterable[Mapping[str, npt.NDArray[Any]]], folder: Path) -> Arrays:
    """The parts of each array, one behind another, mapped from a file that has no name any more: it goes with the last use of the array.

    Args:
        parts: arrays by name; the parts of an array are alike but for their length, and not all of them empty.
        folder: where the files lie; it is made where it is not there.

    Returns:
        By name; what is written to them stays in memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".arrays-") as place, ExitStack() as opened:
        files: dict[str, IO[bytes]] = {}
        like: Arrays = {}
        for part in parts:
            for name, array in part.items():
                if name not in files:
                    files[name] = opened.enter_context((Path(place) / name).open("wb"))
                    like[name] = array[:0]
                array.tofile(files[name])
        for file in files.values():
            file.flush()
        return {
            name: np.memmap(Path(place) / name, first.dtype, "c").reshape(-1, *first.shape[1:]) for name, first in like.items()
        }


def save_arrays(arrays: Mapping[str, npt.NDArray[Any]], folder: Path) -> None:
    """Write each array to a file of its own, without holding it in memory."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load_arrays(folder: Path) -> Arrays:
    """The arrays of ``save_arrays``, mapped; what is written to them stays in memory."""
    return {path.stem: np.load(path, "c", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}

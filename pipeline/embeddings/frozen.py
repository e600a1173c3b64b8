"""Frozen dataclasses as named arrays and one JSON text, what safetensors can hold, with a fingerprint of their bytes."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContractError
from pipeline.fingerprints import short_sha256

Arrays = dict[str, npt.NDArray[Any]]
Stored = tuple[Mapping[str, npt.NDArray[Any]], Mapping[str, str]]


def pack(artifact: Any) -> tuple[Arrays, str]:
    """The arrays of a tree of dataclasses by their path in it, and the rest of it as JSON."""
    arrays: Arrays = {}
    tree = _pack(artifact, "", arrays)
    return arrays, json.dumps(tree, sort_keys=True, ensure_ascii=False)


def unpack(arrays: Mapping[str, npt.NDArray[Any]], text: str, types: tuple[type, ...], what: str) -> Any:
    """What was packed; only ``types`` are ever made.

    Raises:
        ContractError: the text or the arrays are not those of ``what``.
    """
    try:
        return _unpack(json.loads(text), arrays, {each.__name__: each for each in types})
    except (KeyError, TypeError, ValueError) as fault:
        raise ContractError(f"{what}: its parts do not fit together ({fault!r}); mend by: hsrl refresh --rebuild") from fault


def fingerprint(arrays: Mapping[str, npt.NDArray[Any]], text: str) -> str:
    """16 hex digits of the SHA-256 of the text and of every array's name, type, shape and bytes."""
    return short_sha256(_pieces(arrays, text))


def _pieces(arrays: Mapping[str, npt.NDArray[Any]], text: str) -> Iterator[bytes]:
    yield text.encode()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        yield f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode()
        yield array.tobytes()


def to_arrays(artifact: Any, id_name: str) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata for ``safetensors.numpy.save``; the fingerprint stands under ``id_name``."""
    arrays, text = pack(artifact)
    return arrays, {"model": text, id_name: fingerprint(arrays, text)}


def from_arrays(stored: Stored, id_name: str, types: tuple[type, ...], what: str) -> Any:
    """What ``to_arrays`` was given; only ``types`` are ever made.

    Args:
        stored: arrays and metadata.
        id_name: under which the metadata hold the fingerprint.
        types: every dataclass that may occur.
        what: the artifact, for the messages.

    Raises:
        ContractError: the bytes are not those that the id was taken of.
    """
    arrays, metadata = stored
    text, stored_id = metadata.get("model", ""), metadata.get(id_name, "none")
    if (found := fingerprint(arrays, text)) != stored_id:
        raise ContractError(f"{what}: the fingerprint is {found}, expected {stored_id}; mend by: hsrl refresh --rebuild")
    return unpack(arrays, text, types, what)


def _pack(thing: Any, path: str, arrays: Arrays) -> Any:
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing)]
        fields = {name: _pack(getattr(thing, name), f"{path}.{name}".lstrip("."), arrays) for name in names}
        return {"type": type(thing).__name__, "fields": fields}
    if isinstance(thing, np.ndarray):
        arrays[path] = np.ascontiguousarray(thing)
        return {"array": path}
    if isinstance(thing, tuple):
        return [_pack(each, f"{path}.{number}", arrays) for number, each in enumerate(thing)]
    return thing


def _unpack(tree: Any, arrays: Mapping[str, npt.NDArray[Any]], types: dict[str, type]) -> Any:
    if isinstance(tree, list):
        return tuple(_unpack(each, arrays, types) for each in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    return types[tree["type"]](**{name: _unpack(each, arrays, types) for name, each in tree["fields"].items()})

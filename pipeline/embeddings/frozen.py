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


def pack(artifact: Any) -> tuple[Arrays, str]:
    """The arrays of a tree of dataclasses by their place in it, and the rest of it as JSON."""
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


def stored_text(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], id_name: str, what: str) -> str:
    """The JSON text that was stored beside the arrays, after its fingerprint was compared.

    Raises:
        ContractError: the bytes are not those that the id was taken of.
    """
    text, stored_id = metadata.get("model", ""), metadata.get(id_name, "none")
    if (found := fingerprint(arrays, text)) != stored_id:
        raise ContractError(f"{what}: the fingerprint is {found}, expected {stored_id}; mend by: hsrl refresh --rebuild")
    return text


def _pack(thing: Any, place: str, arrays: Arrays) -> Any:
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing)]
        fields = {name: _pack(getattr(thing, name), f"{place}.{name}".lstrip("."), arrays) for name in names}
        return {"type": type(thing).__name__, "fields": fields}
    if isinstance(thing, np.ndarray):
        arrays[place] = np.ascontiguousarray(thing)
        return {"array": place}
    if isinstance(thing, tuple):
        return [_pack(each, f"{place}.{number}", arrays) for number, each in enumerate(thing)]
    return thing


def _unpack(tree: Any, arrays: Mapping[str, npt.NDArray[Any]], types: dict[str, type]) -> Any:
    if isinstance(tree, list):
        return tuple(_unpack(each, arrays, types) for each in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    return types[tree["type"]](**{name: _unpack(each, arrays, types) for name, each in tree["fields"].items()})

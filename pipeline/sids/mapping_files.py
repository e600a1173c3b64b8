"""Semantic IDs as files that other systems read, each with its release, codebook and checksum inside; reading back checks them."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ContractError, reason_of
from pipeline.sids.mapping import SidMapping, mapping_of, parsed_texts, special_tokens, token_texts
from pipeline.sids.names import name_tokens
from pipeline.sids.trie import Trie

_KEY = "hsrl"
_MAGIC = b"HSRLHEAD"  # ends an .npy, after the head and its length: numpy reads what stands before it
_TAIL = len(_MAGIC) + 8


def _write_parquet(mapping: SidMapping, path: Path) -> None:
    table = mapping.table
    named = name_tokens(table.tokens, table.vocabulary)
    columns: dict[str, Any] = {
        "item_id": pa.array(table.item_ids, pa.int64()),
        "raw_id": pa.array(mapping.raw_ids, pa.string()),
        "tokens": pa.array(named["tokens"].to_list(), pa.list_(pa.uint16())),
        "sid": pa.array(named["sid"].to_list(), pa.string()),
        "slot": pa.array(table.slots, pa.uint32()),
        "text": pa.array(token_texts(table.tokens, table.vocabulary), pa.string()),
    }
    pq.write_table(pa.table(columns).replace_schema_metadata({_KEY: json.dumps(mapping.head)}), path, compression="zstd")


def _read_parquet(path: Path) -> tuple[Any, dict[str, Any]]:
    read = pq.read_table(path, columns=["item_id", "raw_id", "tokens", "slot"])
    head = json.loads((read.schema.metadata or {}).get(_KEY.encode(), b"null"))
    return head, {name: read[name].to_pylist() for name in read.column_names}


def _rows(mapping: SidMapping) -> Iterator[dict[str, Any]]:
    table = mapping.table
    values = (table.item_ids.tolist(), mapping.raw_ids, table.tokens.tolist(), table.slots.tolist())
    for item_id, raw_id, tokens, slot in zip(*values, strict=True):
        yield {"item_id": item_id, "raw_id": raw_id, "tokens": tokens, "slot": slot}


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in ("item_id", "raw_id", "tokens", "slot")}


def _write_json(mapping: SidMapping, path: Path) -> None:
    """A key an item, by its raw id."""
    items = {row.pop("raw_id"): row for row in _rows(mapping)}
    path.write_text(json.dumps({_KEY: mapping.head, "items": items}), encoding="utf-8")


def _read_json(path: Path) -> tuple[Any, dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return found[_KEY], _columns([{"raw_id": raw_id, **row} for raw_id, row in found["items"].items()])


def _write_jsonl(mapping: SidMapping, path: Path) -> None:
    """The head in the first line, an item in each that follows."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps({_KEY: mapping.head}) + "\n")
        stream.writelines(json.dumps(row) + "\n" for row in _rows(mapping))


def _read_jsonl(path: Path) -> tuple[Any, dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        head = json.loads(stream.readline())[_KEY]
        return head, _columns([json.loads(line) for line in stream if line.strip()])


def _write_tokens(mapping: SidMapping, path: Path) -> None:
    """Token texts by raw id, and the texts that a tokenizer must know, in the order of the offset ids."""
    table = mapping.table
    texts = dict(zip(mapping.raw_ids, token_texts(table.tokens, table.vocabulary), strict=True))
    kept = {"item_id": table.item_ids.tolist(), "slot": table.slots.tolist()}
    whole = {_KEY: mapping.head, "special_tokens": special_tokens(table.vocabulary), "items": texts, **kept}
    path.write_text(json.dumps(whole), encoding="utf-8")


def _read_tokens(path: Path) -> tuple[Any, dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))
    tokens = parsed_texts(list(found["items"].values()), found[_KEY]["vocabulary"])
    return found[_KEY], {**found, "raw_id": list(found["items"]), "tokens": tokens}


def _write_npy(mapping: SidMapping, path: Path) -> None:
    """A structured array, a row an item; numpy reads it as it is, and leaves the head behind it alone."""
    table = mapping.table
    levels, longest = len(table.vocabulary), max(map(len, mapping.raw_ids), default=1)
    kind = [
        ("item_id", "<i8"),
        ("slot", "<u4"),
        ("tokens", "<u2", (levels,)),
        ("offset_ids", "<i8", (levels,)),
        ("raw_id", f"<U{max(longest, 1)}"),
    ]
    rows = np.zeros(len(mapping.raw_ids), dtype=kind)
    rows["item_id"], rows["slot"], rows["tokens"] = table.item_ids, table.slots, table.tokens
    rows["offset_ids"], rows["raw_id"] = mapping.offset_ids, mapping.raw_ids
    head = json.dumps(mapping.head).encode()
    with path.open("wb") as stream:
        np.save(stream, rows, allow_pickle=False)
        stream.write(head + len(head).to_bytes(8, "little") + _MAGIC)


def _read_npy(path: Path) -> tuple[Any, dict[str, Any]]:
    rows = np.load(path, allow_pickle=False)
    content = path.read_bytes()
    length = int.from_bytes(content[-_TAIL : -len(_MAGIC)], "little")
    if not content.endswith(_MAGIC) or length > len(content):
        return None, {}
    head = json.loads(content[-_TAIL - length : -_TAIL])
    return head, {
        name: rows[name].tolist() if name == "raw_id" else rows[name] for name in ("item_id", "slot", "tokens", "raw_id")
    }


def _write_trie(mapping: SidMapping, path: Path) -> None:
    """An .npz of plain arrays: those of ``Trie``, the items, and the head as UTF-8 bytes."""
    table = mapping.table
    trie = Trie.of(table.tokens, table.slots, table.vocabulary)
    texts = [raw_id.encode() for raw_id in mapping.raw_ids]
    with path.open("wb") as stream:
        np.savez(
            stream,
            head=_bytes(json.dumps(mapping.head).encode()),
            token=trie.token,
            first_child=trie.first_child,
            level_start=trie.level_start,
            item_start=trie.item_start,
            item_rows=trie.item_rows,
            item_id=table.item_ids,
            slot=table.slots,
            raw_id_bytes=_bytes(b"".join(texts)),
            raw_id_start=np.cumsum([0, *map(len, texts)]),
        )


def _bytes(text: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text, dtype=np.uint8)


def _read_trie(path: Path) -> tuple[Any, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    head = json.loads(arrays["head"].tobytes())
    text, starts = arrays["raw_id_bytes"].tobytes(), arrays["raw_id_start"].tolist()
    raw_ids = [text[start:end].decode() for start, end in pairwise(starts)]
    return head, {"item_id": arrays["item_id"], "slot": arrays["slot"], "raw_id": raw_ids, "tokens": _tokens_of(head, arrays)}


def _tokens_of(head: Any, arrays: dict[str, Any]) -> npt.NDArray[np.uint16]:
    """The tokens of each item by way of the tree, so that a damaged tree is found by the checksum."""
    n_levels = len(head["vocabulary"])
    parent = np.repeat(np.arange(len(arrays["token"])), np.diff(arrays["first_child"]))
    above = np.concatenate([[0], parent])
    behind = np.diff(arrays["item_start"])
    node = np.repeat(arrays["level_start"][-2] + np.arange(len(behind)), behind)
    tokens = np.zeros((len(node), n_levels), dtype=np.uint16)
    for level in reversed(range(n_levels)):
        tokens[arrays["item_rows"], level] = arrays["token"][node]
        node = above[node]
    return tokens


_Write = Callable[[SidMapping, Path], None]
_Read = Callable[[Path], tuple[Any, dict[str, Any]]]
# By the name of a format: how it is written, how it is read, and the ending that a reader knows it by.
FORMATS: dict[str, tuple[_Write, _Read, str]] = {
    "parquet": (_write_parquet, _read_parquet, ".parquet"),
    "json": (_write_json, _read_json, ".json"),
    "jsonl": (_write_jsonl, _read_jsonl, ".jsonl"),
    "npy": (_write_npy, _read_npy, ".npy"),
    "tokens": (_write_tokens, _read_tokens, ".tokens.json"),
    "trie": (_write_trie, _read_trie, ".npz"),
}


def write_mapping(mapping: SidMapping, path: Path, form: str) -> None:
    """Write a mapping and read it back.

    Args:
        mapping: of a release.
        path: written as it is named; a caller that must not show half a file hands over a draft.
        form: a key of FORMATS.

    Raises:
        ContractError: what was written does not read back as the mapping, as where a raw id ends in a zero character.
    """
    write, read, _ = FORMATS[form]
    write(mapping, path)
    _read_by(read, path)


def read_mapping(path: Path | str) -> SidMapping:
    """The mapping that ``hsrl sids export`` wrote, in any of its formats, known by its first bytes and its fields.

    Raises:
        ContractError: no file, no export, or one whose rows are not those of its checksum.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            first = stream.read(6)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({reason_of(error)}); name an export of: hsrl sids export") from error
    known = {b"PAR1": "parquet", b"\x93NUMPY": "npy", b"PK\x03\x04": "trie"}
    found = next((form for magic, form in known.items() if first.startswith(magic)), "")
    return _read_by(FORMATS[found][1] if found else _read_text, path)


def read_trie(path: Path | str) -> tuple[Trie, SidMapping]:
    """The prefix tree of an export in any format, and the mapping whose rows stand behind its leaves.

    Raises:
        ContractError: see ``read_mapping``.
    """
    mapping = read_mapping(path)
    return Trie.of(mapping.table.tokens, mapping.table.slots, mapping.table.vocabulary), mapping


def _read_text(path: Path) -> tuple[Any, dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        first = stream.readline()
        is_lines = bool(stream.read(1))
    if is_lines:
        return _read_jsonl(path)
    found = json.loads(first)
    if set(found) == {_KEY}:
        return found[_KEY], _columns([])
    return _read_tokens(path) if "special_tokens" in found else _read_json(path)


def _read_by(read: _Read, path: Path) -> SidMapping:
    try:
        head, rows = read(path)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        OSError,
        BadZipFile,
        pa.ArrowException,
    ) as error:
        raise ContractError(f"{path}: is no whole export ({reason_of(error)}); write it again with: hsrl sids export") from error
    return mapping_of(head, rows, str(path))

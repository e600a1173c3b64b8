"""Items and their Semantic IDs as other systems take them: raw ids, tokens, token texts, and a checksum over all of it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContractError
from pipeline.sids.names import MAX_CODES
from pipeline.sids.table import SidTable

FORMAT = 1  # of the head; another number means other fields


@dataclass(frozen=True)
class SidMapping:
    """The Semantic IDs of a release, with all that tells where they are from.

    Attributes:
        release_id: the release, from 1.
        table: item → tokens and slot, n rows by item id.
        raw_ids: n texts, the items as the raw log spells them, in the order of ``table``.
    """

    release_id: int
    table: SidTable
    raw_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what is no mapping.

        Raises:
            ContractError: other numbers of ids than of Semantic IDs, items out of order or twice, or tokens outside the vocabulary.
        """
        table, n = self.table, len(self.table.item_ids)
        if not len(self.raw_ids) == n == len(table.tokens) == len(table.slots) or table.tokens.shape[1:] != (
            len(table.vocabulary),
        ):
            raise ContractError(
                f"mapping: {len(self.raw_ids)} raw ids and tokens of shape {table.tokens.shape} for {n} items, expected as many ids and "
                f"(n, {len(table.vocabulary)})"
            )
        if (np.diff(table.item_ids) <= 0).any():
            raise ContractError("mapping: item ids do not rise, expected each once and in order; sort them")
        if len(set(self.raw_ids)) < n:
            raise ContractError(f"mapping: {n - len(set(self.raw_ids))} of {n} raw ids stand twice, expected each once")
        if n and (table.tokens >= np.array(table.vocabulary)).any():
            raise ContractError(f"mapping: tokens do not fit the vocabulary {table.vocabulary}; they are of another codebook")

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of the release, the codebook and every row; two mappings with the same are equal."""
        table = self.table
        head = [FORMAT, self.release_id, table.codebook_id, list(table.vocabulary), len(self.raw_ids)]
        hashed = hashlib.sha256(json.dumps(head).encode())
        for values, kind in ((table.item_ids, "<i8"), (table.tokens, "<u2"), (table.slots, "<u4")):
            hashed.update(np.ascontiguousarray(values, dtype=kind).tobytes())
        hashed.update(json.dumps(self.raw_ids).encode())
        return hashed.hexdigest()

    @property
    def head(self) -> dict[str, Any]:
        """What every export carries besides its rows."""
        return {
            "format": FORMAT,
            "release_id": self.release_id,
            "codebook_id": self.table.codebook_id,
            "vocabulary": list(self.table.vocabulary),
            "offsets": offsets(self.table.vocabulary).tolist(),
            "n_items": len(self.raw_ids),
            "sha256": self.checksum,
        }

    @property
    def offset_ids(self) -> npt.NDArray[np.int64]:
        """(n, L) one number a token over all levels, offset_l + z_l with offset_l = V_1 + … + V_(l−1): in [0, Σ V_l)."""
        return self.table.tokens.astype(np.int64) + offsets(self.table.vocabulary)

    def equals(self, other: "SidMapping") -> bool:
        """Whether both say the same of the same items of the same release."""
        return self.checksum == other.checksum


def offsets(vocabulary: Sequence[int]) -> npt.NDArray[np.int64]:
    """(L,) where each level's tokens begin when the levels are numbered one after another."""
    return np.concatenate([[0], np.cumsum(vocabulary)[:-1]]).astype(np.int64)


def special_tokens(vocabulary: Sequence[int]) -> list[str]:
    """The texts of all tokens, ``<a_0>`` … ``<a_255><b_0>`` …, in the order of the offset ids.

    Raises:
        ContractError: more levels than letters.
    """
    if len(vocabulary) > len(ascii_lowercase):
        raise ContractError(f"mapping: {len(vocabulary)} levels, expected at most {len(ascii_lowercase)}, a letter each")
    return [f"<{letter}_{code}>" for letter, codes in zip(ascii_lowercase, vocabulary, strict=False) for code in range(codes)]


def token_texts(tokens: npt.NDArray[np.uint16], vocabulary: Sequence[int]) -> list[str]:
    """The Semantic IDs as texts, such as ``<a_12><b_203><c_7>``.

    Args:
        tokens: (n, L), tokens[:, l] in [0, V_l).
        vocabulary: V_l.
    """
    words = special_tokens(vocabulary)
    ids = tokens.astype(np.int64) + offsets(vocabulary)
    return ["".join(words[number] for number in row) for row in ids.tolist()]


def parsed_texts(texts: Sequence[str], vocabulary: Sequence[int]) -> npt.NDArray[np.uint16]:
    """The tokens (n, L) that ``token_texts`` wrote.

    Raises:
        ContractError: a text is not of these levels and codes; the first is named.
    """
    numbers = {word: number for number, word in enumerate(special_tokens(vocabulary))}
    starts = offsets(vocabulary)
    tokens = np.zeros((len(texts), len(vocabulary)), dtype=np.int64)
    for row, text in enumerate(texts):
        words = [word + ">" for word in text.split(">")[:-1]] if text.endswith(">") else []
        found = [numbers.get(word, -1) for word in words]
        if len(found) == len(vocabulary):
            tokens[row] = np.array(found, dtype=np.int64) - starts
        if len(found) != len(vocabulary) or (tokens[row] < 0).any() or (tokens[row] >= np.array(vocabulary)).any():
            raise ContractError(
                f"mapping: row {row} is {text!r:.60}, expected a token of each of the {len(vocabulary)} levels in order"
            )
    return tokens.astype(np.uint16)


def mapping_of(head: dict[str, Any], rows: dict[str, Any], where: str) -> SidMapping:
    """The mapping that a file holds, after its checksum was found right.

    Args:
        head: of the file, as ``SidMapping.head`` wrote it.
        rows: item_id, raw_id, tokens and slot, n of each.
        where: the file, for the line of an error.

    Raises:
        ContractError: a field is missing, the format is another, or the rows are not those that were written.
    """
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ContractError(f"{where}: has no head of format {FORMAT}, expected a file of: hsrl sids export")
    try:
        vocabulary = tuple(int(codes) for codes in head["vocabulary"])
        tokens = np.asarray(rows["tokens"])
        if not len(rows["item_id"]):
            tokens = np.zeros((0, len(vocabulary)), dtype=np.int64)
        if tokens.dtype.kind not in "iu" or (tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < MAX_CODES):
            raise ValueError("tokens that are no codes")
        table = SidTable(
            head["codebook_id"],
            vocabulary,
            np.asarray(rows["item_id"], dtype=np.int64),
            tokens.astype(np.uint16),
            np.asarray(rows["slot"], dtype=np.uint32),
        )
        mapping = SidMapping(int(head["release_id"]), table, tuple(rows["raw_id"]))
        said = head["sha256"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ContractError(f"{where}: is no whole export ({error}); write it again with: hsrl sids export") from error
    if mapping.checksum != said:
        raise ContractError(
            f"{where}: its {len(mapping.raw_ids):,} rows have the checksum {mapping.checksum[:16]}, expected {str(said)[:16]}; it was "
            "changed or damaged: write it again with: hsrl sids export"
        )
    return mapping

"""Exports of Semantic IDs: each format reads back equal, and what was changed is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ContractError
from pipeline.sids.mapping import SidMapping, parsed_texts, special_tokens, token_texts
from pipeline.sids.mapping_files import FORMATS, read_mapping, read_trie, write_mapping
from pipeline.sids.table import SidTable

TABLE = SidTable(
    "00ff", (3, 300), np.array([5, 7, 9]), np.array([[0, 299], [2, 1], [2, 1]], np.uint16), np.array([0, 1, 0], np.uint32)
)
MAPPING = SidMapping(4, TABLE, ("b", 'ü "7"\n', "007"))
EMPTY = SidMapping(4, SidTable("00ff", (3, 300), *(values[:0] for values in (TABLE.item_ids, TABLE.tokens, TABLE.slots))), ())


def written(folder: Path, form: str, mapping: SidMapping = MAPPING) -> Path:
    path = folder / f"items{FORMATS[form][2]}"
    write_mapping(mapping, path, form)
    return path


@pytest.mark.parametrize("mapping", [MAPPING, EMPTY], ids=["three items", "no item"])
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_read_back_equals_the_table(form: str, mapping: SidMapping, tmp_path: Path) -> None:
    found = read_mapping(str(written(tmp_path, form, mapping)))  # as docs/out.md has it
    assert (found.release_id, found.raw_ids, found.table.codebook_id) == (4, mapping.raw_ids, "00ff")
    for name in ("item_ids", "tokens", "slots"):
        expected, actual = getattr(mapping.table, name), getattr(found.table, name)
        assert actual.tolist() == expected.tolist() and actual.dtype == expected.dtype
    assert found.equals(mapping) and found.head["sha256"] == mapping.checksum


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_mapping_is_the_same_bytes(form: str, tmp_path: Path) -> None:
    first = written(tmp_path, form).read_bytes()
    assert written(tmp_path, form).read_bytes() == first


@pytest.mark.parametrize("form", FORMATS)
def test_half_a_file_is_refused_in_a_line(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        if form in ("jsonl",) and length == len(content) - 1:
            continue  # the last line end alone: every row is there
        with pytest.raises(ContractError) as refused:
            read_mapping(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("form", ["json", "jsonl", "tokens"])
@pytest.mark.parametrize(
    ("old", "new"), [("299", "298"), ("007", "008"), ('"release_id": 4', '"release_id": 5'), ("00ff", "00fe")]
)
def test_a_changed_row_is_found_by_the_checksum(form: str, old: str, new: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ContractError, match="checksum|expected"):
        read_mapping(path)


def test_numpy_reads_the_array_alone(tmp_path: Path) -> None:
    rows = np.load(written(tmp_path, "npy"))
    assert rows["tokens"].tolist() == TABLE.tokens.tolist() and rows["offset_ids"].tolist() == [[0, 302], [2, 4], [2, 4]]
    assert rows["raw_id"].tolist() == list(MAPPING.raw_ids)


def test_a_raw_id_that_a_format_cannot_hold_is_refused_when_it_is_written(tmp_path: Path) -> None:
    """NumPy's texts end at their last character that is not zero."""
    with pytest.raises(ContractError, match="checksum"):
        written(tmp_path, "npy", replace(MAPPING, raw_ids=("b", "7\0", "007")))


def test_token_texts_and_the_special_tokens_are_those_of_the_offset_ids(tmp_path: Path) -> None:
    assert token_texts(TABLE.tokens, (3, 300)) == ["<a_0><b_299>", "<a_2><b_1>", "<a_2><b_1>"]
    words = special_tokens((3, 300))
    assert len(words) == 303 and (words[0], words[3], words[302]) == ("<a_0>", "<b_0>", "<b_299>")
    whole = json.loads(written(tmp_path, "tokens").read_text())
    assert whole["special_tokens"] == words and whole["items"]["007"] == "<a_2><b_1>"


@pytest.mark.parametrize(
    "text", ["<a_0>", "<b_1><a_0>", "<a_0><b_1><b_2>", "<a_3><b_0>", "a_0b_1", "", "<a_-1><b_0>", "<a_00><b_1>"]
)
def test_a_text_of_other_levels_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="row 0 is"):
        parsed_texts([text], (3, 300))


def test_the_tree_of_an_export_leads_to_its_items(tmp_path: Path) -> None:
    trie, mapping = read_trie(written(tmp_path, "trie"))
    leaf = int(trie.nodes(np.array([[2, 1]]))[0] - trie.level_start[-2])
    assert [mapping.raw_ids[row] for row in trie.items(leaf)] == ["007", 'ü "7"\n']  # slot 0 before slot 1


def test_a_damaged_tree_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, "trie")
    arrays = dict(np.load(path))
    arrays["token"][-1] += 1
    np.savez(path, **arrays)
    with pytest.raises(ContractError, match="checksum"):
        read_mapping(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raw_ids": ("b", "c")}, "2 raw ids"),
        ({"raw_ids": ("b", "b", "c")}, "1 of 3 raw ids stand twice"),
        ({"table": replace(TABLE, item_ids=np.array([5, 5, 9]))}, "do not rise"),
        ({"table": replace(TABLE, vocabulary=(2, 300))}, "do not fit the vocabulary"),
    ],
)
def test_what_is_no_mapping_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        replace(MAPPING, **change)


def test_more_levels_than_letters_are_refused() -> None:
    with pytest.raises(ContractError, match="27 levels"):
        special_tokens((2,) * 27)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff\xfe", b"PAR1", b"\x93NUMPY", b"PK\x03\x04", b'{"hsrl": 3}\n{}', b"null"]
)
def test_a_file_that_is_no_export_is_refused_in_a_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="x: "):
        read_mapping(path)


def test_no_file_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="No such file"):
        read_mapping(tmp_path / "x")

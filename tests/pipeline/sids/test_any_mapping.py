"""Mappings of any tool: every spelling of tokens is read alike, and what is no mapping is refused in a line."""

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import ContractError
from pipeline.sids.any_mapping import mapping_from, read_any_mapping

ITEMS, TOKENS = ("007", "b"), [[12, 203, 7], [0, 1, 70_000]]


def as_files(folder: Path) -> dict[str, Path]:
    """The same mapping in the ways that tools write it."""
    texts = {
        "one.csv": "item,sid\n007,12-203-7\nb,0-1-70000\n",
        "levels.csv": "asin,a,b,c\n007,12,203,7\nb,0,1,70000\n",
        "nameless.csv": "007,12-203-7\nb,0-1-70000\n",
        "nameless-levels.csv": "007,12,203,7\nb,0,1,70000\n",
        "numbered-levels.csv": "product,1,2,3\n007,12,203,7\nb,0,1,70000\n",
        "strange-names.csv": "product,c1,c2,c3\n007,12,203,7\nb,0,1,70000\n",
        "semicolons.csv": "item;sid\n007;12-203-7\nb;0-1-70000\n",
        "lists.tsv": 'id\ttokens\n007\t[12, 203, 7]\nb\t"(0, 1, 70000)"\n',
        "numbers.json": json.dumps(dict(zip(ITEMS, TOKENS, strict=True))),
        "words.json": '{"007": ["<a_12>", "<b_203>", "<c_7>"], "b": ["<a_0>", "<b_1>", "<c_70000>"]}',
        "ours.json": '{"hsrl": {}, "items": {"007": {"tokens": [12, 203, 7]}, "b": {"tokens": [0, 1, 70000]}}}',
        "text.jsonl": '{"hsrl": {}}\n{"item": "007", "sid": "<a_12><b_203><c_7>"}\n\n{"item": "b", "sid": "a_0 b_1 c_70000"}\n',
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    pl.DataFrame({"raw_id": ITEMS, "tokens": TOKENS}).write_parquet(folder / "lists.parquet")
    return {name: folder / name for name in [*texts, "lists.parquet"]}


def test_every_spelling_means_the_same(tmp_path: Path) -> None:
    for name, path in as_files(tmp_path).items():
        found = read_any_mapping(path)
        assert (found.items, found.tokens.tolist()) == (ITEMS, TOKENS), name


@pytest.mark.parametrize("number", [0, 2**32, 2**63 - 1])
def test_huge_tokens_are_taken_as_they_are(number: int) -> None:
    found = mapping_from(["a", "b"], [[number, 0], [number, 1]], "x")
    assert found.tokens[0, 0] == number and found.prefixes().tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "x",
        "1.5",
        "-5",
        "[1, -2]",
        "1--2",
        "1,2!",
        None,
        1.5,
        [1.0],
        [True],
        [-1],
        [None],
        [[1, 2]],
        {"a": 1},
        [],
        2**63,
        "9" * 5000,
    ],
)
def test_what_is_no_tokens_is_refused(cell: Any) -> None:
    with pytest.raises(ContractError, match="the tokens of 1 of 2 items cannot be read") as refused:
        mapping_from(["a", "b"], [[1], cell], "x")
    assert len(str(refused.value)) < 400 and "\n" not in str(refused.value)


def test_a_long_text_of_digits_is_read_in_a_moment() -> None:
    began = time.process_time()
    with pytest.raises(ContractError):
        mapping_from(["a"], ["1" * 100_000 + "!"], "x")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "", "cannot be read as item and tokens"),
        ("m.csv", "item,sid\n", "holds no items"),
        ("m.csv", "item\na\n", "a single column"),
        ("m.csv", "item,sid\na,1-2\na,1-3\n", "1 items stand twice, such as 'a'"),
        ("m.csv", "item,sid\na,1-2\nb,1-3\nc,1\n", "1 of 3 items have not the 2 tokens that most have, such as 'c' with 1"),
        ("m.csv", "item,sid\na,1-2\n,1-3\n", "1 of 2 rows have no item"),
        ("m.json", "", "cannot be read"),
        ("m.json", "{}", "holds no items"),
        ("m.json", "[1]", "is no object"),
        ("m.json", '{"a": [1], "a": [2]}', "1 items stand twice"),
        ("m.json", '{"a": [1], "b": 2.5}', "cannot be read, such as '2.5'"),
        ("m.jsonl", '{"item": "a", "sid": "1"}\n[2]\n', "line 2 is no object"),
        ("m.jsonl", '{"sid": "1"}\n', "1 of 1 rows have no item"),
        ("m.parquet", "PAR1", "cannot be read"),
        ("m.txt", "a 1", "ends in .txt, expected one of: .csv"),
    ],
)
def test_what_is_no_mapping_is_refused_in_a_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ContractError, match=message) as refused:
        read_any_mapping(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_no_file_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="No such file"):
        read_any_mapping(tmp_path / "m.json")

"""Requests from files: every spelling of an id, every bad request by its line, and never the whole file in memory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from flows.queries.rank import _rank_all
from flows.queries.rank_requests import KnownIds, read_requests
from flows.queries.service import Service
from hsrl_train.serving.ranker import Ranked
from pipeline.errors import ConfigError

# A shop whose ids are texts; 7 is a raw id and also the number of another item.
HASHES = {"sku-0019": 2**62 + 1, "0007": 2**61, "7": 2**60, "é|x": 7}


@pytest.fixture
def known() -> KnownIds:
    return KnownIds(list(HASHES.values()), list(HASHES))


def test_an_id_is_known_by_its_raw_text_and_by_its_number(known: KnownIds) -> None:
    assert known.numbers(["sku-0019", "0007", "7", "é|x"], "history") == list(HASHES.values())
    assert known.numbers([2**62 + 1, str(2**61)], "history") == [2**62 + 1, 2**61]


def test_a_raw_id_goes_before_a_number_of_the_warehouse(known: KnownIds) -> None:
    assert (known.number(7), known.number("7")) == (2**60, 2**60)


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        (["sku-19"], '1 of 1 items in its history are unknown, such as "sku-19"'),
        (["sku-0019", 99, "x"], "2 of 3 items in its history are unknown, such as 99"),
        (["\x1b[31m"], "unknown"),
        ([None], "hold null, which is no id"),
        ([True], "hold true, which is no id"),
        ([7.0], "hold 7.0, which is no id"),
        ([["7"]], "which is no id"),
        ("7", "are no list of ids"),
        ({"7": 1}, "are no list of ids"),
    ],
)
def test_what_is_no_known_id_is_named(known: KnownIds, spelled: Any, reason: str) -> None:
    with pytest.raises(ValueError) as refusal:
        known.numbers(spelled, "history")
    assert reason in str(refusal.value) and str(refusal.value).isprintable()


class ShortestFirst:
    """A ranker that shows the smallest id first and never the raw id 0007; it counts its passes."""

    def __init__(self) -> None:
        self.item_ids = np.sort(np.array(list(HASHES.values())))
        self.passes = 0

    def rank(self, requests: list[Any]) -> list[Ranked]:
        self.passes += 1
        ranked = []
        for request in requests:
            ids = np.sort(np.array(request.candidates))
            ranked.append(Ranked(ids, np.where(ids == HASHES["0007"], -np.inf, -ids.astype(float)).astype(np.float32)))
        return ranked


@pytest.fixture
def service() -> Iterator[Service]:
    by_number = {number: raw for raw, number in HASHES.items()}
    ranker = ShortestFirst()
    users = KnownIds([5], ["ann"])
    profiles = np.ones((1, 2), np.float32)
    raw_ids = pa.array([by_number[number] for number in ranker.item_ids.tolist()])
    known = KnownIds(list(HASHES.values()), list(HASHES))
    yield Service(ranker, "p", 1, np.array([5]), profiles, known, users, raw_ids)  # type: ignore[arg-type]


GOOD = {"user_id": "ann", "history": ["7"], "candidates": ["sku-0019", "0007", "é|x"]}
BAD = [
    "",
    "{",
    "[]",
    "7",
    "null",
    '{"history": []}',
    '{"histroy": [], "candidates": ["7"]}',
    '{"history": [], "candidates": null}',
    '{"history": [], "candidates": []}',
    '{"history": [], "candidates": ["7", "7"]}',
    '{"history": [], "candidates": ["7", 7]}',
    '{"history": ["x"], "candidates": ["7"]}',
    '{"history": {}, "candidates": ["7"]}',
    '{"history": [], "candidates": ["7"], "user_id": [1]}',
    '{"history": [], "candidates": ["7"], "user": "ann"}',
    '{"history": [], "candidates": [' + "[" * 5000,
]


def ranked(service: Service, folder: Path, file: Path, out: str = "out.jsonl") -> dict[str, Any]:
    return _rank_all(service, folder / "warehouse", read_requests(file), file, folder / out)


def test_bad_requests_are_kept_with_line_and_reason_and_lose_no_other(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    lines = [line for bad in BAD for line in (bad, json.dumps(GOOD))]
    file.write_bytes("\n".join(lines).encode() + b"\n\xff\n")
    report = ranked(service, tmp_path, file)
    n_bad = len(BAD)  # the empty line is none, the one that is no UTF-8 is
    assert (report["requests"], report["rejected"]) == (2 * n_bad, n_bad)
    rejected = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rejected] == [*range(3, 2 * n_bad, 2), 2 * n_bad + 1]
    assert all(row["reason"] for row in rejected) and "histroy" in rejected[5]["reason"]
    answers = pl.read_ndjson(tmp_path / "out.jsonl")
    assert answers.height == 3 * n_bad
    assert set(answers["request"]) | {row["request"] for row in rejected} == set(range(2 * n_bad))
    first = answers.filter(pl.col("request") == 0)
    assert first.drop("request", "score").rows() == [(1, 7, "é|x"), (2, 2**61, "0007"), (3, 2**62 + 1, "sku-0019")]
    assert first["score"].is_null().to_list() == [False, True, False]


def test_a_file_without_one_good_request_is_refused_and_writes_nothing(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(BAD[1:3]))
    with pytest.raises(ConfigError, match="none of 2 requests can be answered; line 1: is no JSON"):
        ranked(service, tmp_path, file)
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]


@pytest.mark.parametrize("dtype", [pl.List(pl.String), pl.List(pl.Categorical), pl.Array(pl.String, 3)])
def test_parquet_lists_of_every_kind_are_read_and_written(service: Service, tmp_path: Path, dtype: Any) -> None:
    rows = pl.DataFrame(
        {"candidates": [GOOD["candidates"]] * 600, "history": [["7"], None] * 300, "user_id": ["ann", "bob"] * 300}
    )
    rows.with_columns(pl.col("candidates").cast(dtype)).write_parquet(tmp_path / "r.parquet")
    report = ranked(service, tmp_path, tmp_path / "r.parquet", "out.parquet")
    assert (report["requests"], report["rejected"], report["unknown_users"]) == (600, 0, 300)
    assert report["first_unknown_users"][0] == "bob"
    answers = pl.read_parquet(tmp_path / "out.parquet")
    assert answers.height == 1800 and answers["request"].n_unique() == 600
    assert not (tmp_path / "out.parquet.rejected.jsonl").exists()


def test_files_that_are_none_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_bytes(b"PAR1 no parquet")
    pl.DataFrame({"history": [[1]], "candidate": [[1]]}).write_parquet(tmp_path / "s.parquet")
    for name, message in {
        "r.parquet": "is no whole Parquet file",
        "s.parquet": 'has no candidates but "candidate"',
        "gone.jsonl": "No such file",
        "x.csv": "expected .parquet or .jsonl",
    }.items():
        with pytest.raises(ConfigError, match=message) as refusal:
            list(read_requests(tmp_path / name))
        assert "\n" not in str(refusal.value)


def test_requests_are_taken_as_they_come_in_passes_of_a_few_hundred(service: Service, tmp_path: Path) -> None:
    """A feed that never ends can be read from: nothing looks beyond what is asked for."""
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join([json.dumps(GOOD)] * 600))
    seen = read_requests(file)
    assert next(seen).line == 1
    report = ranked(service, tmp_path, file)
    assert report["requests"] == 600 and service.ranker.passes == 3  # type: ignore[attr-defined]

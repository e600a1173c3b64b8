"""`hsrl encode`: Semantic IDs for a file of vectors, and what a person sees while it runs."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.runtime.run import Run


@pytest.fixture
def catalogue(refreshed: Any) -> pl.DataFrame:
    """item_id, vector and the SID that the first release gave."""
    return refreshed.ask("SELECT item_id, vector, sid, tokens FROM embeddings JOIN sids USING (item_id) ORDER BY item_id")


def test_the_vectors_of_the_catalogue_get_the_sids_of_the_catalogue(
    refreshed: Any, catalogue: pl.DataFrame, tmp_path: Path, hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In chunks of seven; the first release gives every item its nearest codes."""
    monkeypatch.setattr("pipeline.embeddings.vector_rows.CHUNK_ROWS", 7)
    catalogue.select("vector").write_parquet(tmp_path / "v.parquet")
    ran = hsrl("encode", tmp_path / "v.parquet", "--warehouse", refreshed.root, "--out", tmp_path / "new" / "s.parquet")
    assert ran.code == 0, ran.err
    found = pl.read_parquet(tmp_path / "new" / "s.parquet")
    assert found["row"].to_list() == list(range(catalogue.height))
    assert found["sid"].to_list() == catalogue["sid"].to_list()
    assert found["tokens"].to_list() == catalogue["tokens"].to_list()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["s.parquet"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "is no file"),
        (b"no parquet at all", "is no Parquet file, or is cut off at its beginning"),
        ({"wrong": [1.0]}, "has the columns wrong, expected one named vector"),
        ({"vector": [[1.0, 2.0, 3.0]]}, "1 vectors are 3 long, not 4, the codebook's d"),
        ({"vector": [[1.0, 2.0, 3.0, float("nan")]]}, "1 of 1 vectors hold NaN"),
    ],
)
def test_vectors_that_cannot_be_encoded_are_one_line_and_leave_no_file(
    refreshed: Any, tmp_path: Path, hsrl: Callable[..., Any], rows: Any, message: str
) -> None:
    if isinstance(rows, bytes):
        (tmp_path / "v.parquet").write_bytes(rows)
    elif rows is not None:
        pl.DataFrame(rows).write_parquet(tmp_path / "v.parquet")
    ran = hsrl("encode", tmp_path / "v.parquet", "--warehouse", refreshed.root, "--out", tmp_path / "s.parquet")
    assert ran.code == 2
    assert message in ran.err and ran.err.count("\n") == 1
    assert not list(tmp_path.glob("s.parquet*"))


def seen(console: Console) -> str:
    """What a stage of three steps prints."""
    run = Run("encode", console)
    with run.stage("encode") as tick:
        for done in (1, 2, 3):
            tick(done, 3)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_sees_a_bar_and_a_file_sees_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "3/3" in seen(Console(file=io.StringIO(), force_terminal=True, width=100))
    assert seen(Console(file=io.StringIO(), force_terminal=False)) == ""
    monkeypatch.setattr("flows.runtime.run.LINE_SECONDS", 0.0)
    assert seen(Console(file=io.StringIO(), force_terminal=False)).splitlines() == [f"encode: {done} of 3" for done in (1, 2, 3)]

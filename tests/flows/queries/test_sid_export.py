"""`hsrl sids export` on a warehouse: equal to the table, whole or not there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.sids.mapping_files import FORMATS, read_mapping
from tests.flows.conftest import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_equals_the_table_sids(refreshed: World, hsrl: Callable[..., Any], tmp_path: Path, form: str) -> None:
    out = tmp_path / "items"
    ran = hsrl("sids", "export", "--format", form, "--out", out, "--warehouse", refreshed.root)
    assert (ran.code, ran.err) == (0, "") and "release 1" in ran.out
    found = read_mapping(out)
    expected = refreshed.ask("SELECT item_id, raw_id, tokens, slot, codebook_id FROM sids ORDER BY item_id")
    assert (
        found.table.item_ids.tolist() == expected["item_id"].to_list()
        and found.table.tokens.tolist() == expected["tokens"].to_list()
    )
    assert list(found.raw_ids) == expected["raw_id"].to_list() and found.table.slots.tolist() == expected["slot"].to_list()
    assert {found.table.codebook_id} == set(expected["codebook_id"]) and found.release_id == 1
    assert {path.name for path in tmp_path.iterdir()} == {"items"}


def test_an_earlier_release_is_exported_as_it_was(retrained: World, hsrl: Callable[..., Any], tmp_path: Path) -> None:
    """Release 2 is of a retrain: the same Semantic IDs under another release."""
    for release in (1, 2):
        out = tmp_path / f"{release}.parquet"
        assert hsrl("sids", "export", "--release", release, "--out", out, "--warehouse", retrained.root).code == 0
    first, second = (read_mapping(tmp_path / f"{release}.parquet") for release in (1, 2))
    assert first.table.tokens.tolist() == second.table.tokens.tolist() and first.checksum != second.checksum


def test_what_cannot_be_exported_is_one_line(
    refreshed: World, empty_warehouse: Path, hsrl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*words: object, root: Path = refreshed.root) -> str:
        ran = hsrl("sids", "export", "--warehouse", root, *words)
        assert ran.code == 2 and ran.err.count("\n") == 1
        return str(ran.err)

    out = tmp_path / "items.json"
    assert "there is no release 7, expected 1 … 1" in refused("--release", 7, "--out", out)
    assert "'xml' is no format, expected one of: parquet" in refused("--format", "xml", "--out", out)
    assert "there is no folder" in refused("--out", tmp_path / "no" / "items")
    assert "lies inside the warehouse" in refused("--out", refreshed.root / "items")
    assert "nothing is published yet" in refused("--out", out, root=empty_warehouse)
    out.write_text("mine")
    assert "is there already" in refused("--out", out) and out.read_text() == "mine"
    assert "is a folder" in refused("--overwrite", "--out", tmp_path)
    assert hsrl("sids", "export", "--overwrite", "--format", "json", "--out", out, "--warehouse", refreshed.root).code == 0
    before = out.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.queries.sid_export.write_mapping", killed)
    assert hsrl("sids", "export", "--overwrite", "--format", "json", "--out", out, "--warehouse", refreshed.root).code == 130
    assert out.read_bytes() == before and {path.name for path in tmp_path.iterdir()} == {"items.json"}

"""Where the parts of a warehouse are, as a person may have written it."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.storage import COMMITTED, STORAGE, Storage, storage_of

AT = "postgres:host=h dbname=d"


@pytest.mark.parametrize("data", ["s3://lake/nights", "s3://lake/nights/", "s3://lake/nights//"])
def test_the_prefix_ends_with_a_slash_whoever_wrote_it(data: str, tmp_path: Path) -> None:
    (tmp_path / STORAGE).write_text(f'{{"catalog": "{AT}", "data": "{data}"}}')
    assert storage_of(tmp_path) == Storage(AT, "s3://lake/nights/")


@pytest.mark.parametrize("content", ['{"catalog": 5}', "[]", "5", '{"catalog": null, "data": 7}', '{"where": "x"}', "{", ""])
def test_what_is_no_note_is_a_line(content: str, tmp_path: Path) -> None:
    (tmp_path / STORAGE).write_text(content)
    with pytest.raises(WarehouseError, match=rf"{STORAGE}: is damaged; write "):
        storage_of(tmp_path)


def test_a_folder_in_its_place_is_a_line(tmp_path: Path) -> None:
    (tmp_path / STORAGE).mkdir()
    with pytest.raises(WarehouseError, match=rf"{STORAGE}: is damaged; write "):
        storage_of(tmp_path)


def test_a_note_that_was_deleted_is_missed_by_its_name(tmp_path: Path) -> None:
    (tmp_path / COMMITTED).write_text('{"snapshot": 7}')
    (tmp_path / "data").mkdir()
    with pytest.raises(WarehouseError, match=rf"{STORAGE} is missing, which says where its catalogue is; write "):
        open_readers(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"lake": "x"}'])
def test_a_damaged_note_of_whose_a_prefix_is_stops_every_run(content: bytes, tmp_path: Path) -> None:
    files = cast(Any, SimpleNamespace(open_input_stream=lambda key: BytesIO(content)))
    with pytest.raises(WarehouseError, match=r"^s3://lake/nights/warehouse.json: does not say whose the prefix is"):
        Bucket(tmp_path, "s3://lake/nights/", files).claim("x", None)

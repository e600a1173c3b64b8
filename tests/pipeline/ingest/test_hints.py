"""A log in a form that its configuration does not name: the refusal has the line that reads it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.causes import hint_of
from pipeline.ingest.date_formats import format_in
from tests.support.tables import read_source

COLUMNS = {"user": "u", "item": "i", "time": "t", "feedback": "y"}


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["a,31/12/2020,1", "b,1/2/2021,0"], "%d/%m/%Y"),
        (["12/31/2020 9:05:58 PM", "1/2/2021 9:05:58 AM"], "%m/%d/%Y %I:%M:%S %p"),
        (["31.12.2020 23:05"], "%d.%m.%Y %H:%M"),
        (["2020/12/31 23:05:01.25"], "%Y/%m/%d %H:%M:%S%.f"),
        (["5-Jan-2021", "14-Feb-2021"], "%d-%b-%Y"),
        (["20201231", "20210102"], "%Y%m%d"),
        (["20201231235959"], "%Y%m%d%H%M%S"),
        (["99/99/2020"], None),
        (["no date", "31/12/2020", "none"], None),
        ([], None),
    ],
)
def test_the_format_of_dates_is_seen(texts: list[str], form: str | None) -> None:
    assert format_in(texts) == form


def test_a_seen_format_is_the_hint() -> None:
    assert hint_of("time is not a time in s since 1970", ["1,2,31/12/2020,1"] * 3) == 'set source.time_format = "%d/%m/%Y"'
    assert "dotted name" in str(hint_of("u is not a single value", []))


@pytest.mark.parametrize(
    ("name", "text", "config", "message"),
    [
        ("log.csv", 'u;i;t;y\n1;"28,32,5";5;1\n1;"7, 8";6;1\n', {"separator": ";"}, r'i holds lists, such as \'28,32,5\'; set lists = \["item"\] and list_separator = ","'),
        ("log.csv", "u@i@t@y\n1@2,3@5@1\n", {"separator": "@", "lists": ["item", "feedback"], "list_separator": ","}, "no row can be read.*lists of different lengths; name in source.lists only"),
        ("u=7/log.csv", "i,t,y\n1,5,1\n", {}, r'its path holds u: set path_columns = "u=\{u\}/\*.csv"'),
        ("log.jsonl", '[{"u": 1}]', {}, r"jq -c '.\[\]' log.jsonl"),
        ("log.csv", "u,i,t,y\n1,5,6,1\n", {"member": "*.csv"}, 'no zip, but member = "\\*.csv" is set'),
        ("log.txt", "1 2 3\n2 4\n", {"format": "sequences", "separator": ",", "lists": ["item"]}, "are no user and items parted by ','"),
    ],
)  # fmt: skip
def test_the_refusal_names_the_setting(tmp_path: Path, name: str, text: str, config: dict[str, Any], message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(SourceError, match=message) as refusal:
        read_source(path=path, columns=COLUMNS, **config)
    assert "\n" not in str(refusal.value)


def test_texts_of_lists_may_be_ids_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u;i;t;y\n1;2,3;5;1\n")
    assert read_source(path=tmp_path / "log.csv", separator=";", columns=COLUMNS, ids="text").items["raw_id"].to_list() == ["2,3"]

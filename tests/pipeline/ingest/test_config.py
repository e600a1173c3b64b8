"""Sections of the sources: what is refused before a file is touched."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.ingest.generated import GeneratedFeed
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.movielens import MovieLens
from pipeline.ingest.registry import SourceConfig
from pipeline.ingest.section import SourceSection
from pipeline.ingest.table import TableLog

TABLE: dict[str, Any] = {"kind": "table", "path": "/log.csv", "columns": {"user": "u", "item": "i", "time": "t", "feedback": "y"}}


def parse(section: dict[str, Any]) -> SourceSection:
    parsed: SourceSection = TypeAdapter(SourceConfig).validate_python(section)
    return parsed


@pytest.mark.parametrize(
    ("section", "adapter"),
    [
        ({"kind": "movielens", "path": "/ml"}, MovieLens),
        (TABLE, TableLog),
        ({"kind": "generated", "path": "/feed"}, GeneratedFeed),
    ],
)
def test_the_kind_names_the_adapter(section: dict[str, Any], adapter: type) -> None:
    source = parse(section).open()
    assert isinstance(source, adapter)
    assert source.name == section["kind"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {"user": "u", "item": "i", "feedback": "y"}}, "neither time nor order is mapped"),
        ({"columns": {"user": "u", "item": "i", "time": "t"}}, "neither feedback nor value is mapped"),
        ({"columns": {"user": "u", "item": "i", "time": "t", "value": "v"}}, "set positive_above"),
        ({"positive_above": 3}, "both columns.feedback and positive_above"),
        (
            {"columns": {"user": "u", "item": "i", "time": "t", "value": "v"}, "positive_above": 3, "positive": ["1"]},
            "positive is given without columns.feedback",
        ),
        ({"has_header": False}, "a header or names"),
        ({"separator": "::"}, "goes without quotes"),
        ({"encoding": "klingon"}, "no such encoding"),
        ({"encoding": "utf-16"}, "byte 10"),
        ({"sepparator": ";"}, "Extra inputs are not permitted"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(TABLE | change)


def test_a_feed_that_would_run_out_of_items_is_refused() -> None:
    """100 items less 10 a day are 20 after the ninth day, fewer than three slates of 10."""
    with pytest.raises(ValidationError, match=r"20 of the first day's 100 items are left after 9 days"):
        GeneratedSource(path=Path("/feed"), items=100, vanishing_items_per_day=10, days=9)

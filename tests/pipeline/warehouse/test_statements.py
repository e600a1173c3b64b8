"""SQL files and their headers."""

from pathlib import Path

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.statements import read_statement, statement


def test_the_header_ends_where_the_statement_begins(tmp_path: Path) -> None:
    path = tmp_path / "one.sql"
    path.write_text("-- model: one\n-- doc: It says: one.\nSELECT 1\n-- doc: not this\n", encoding="utf-8")
    statement = read_statement(path)
    assert (statement.name, statement.doc, statement.header) == ("one", "It says: one.", {"model": "one", "doc": "It says: one."})


def test_a_file_without_a_sentence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.sql"
    path.write_text("SELECT 1")
    with pytest.raises(WarehouseError, match=r"one\.sql: its header has no doc"):
        read_statement(path)


def test_a_query_is_read_by_its_name_and_an_unknown_one_is_refused_with_those_there_are() -> None:
    assert statement("published_policy").startswith("-- query: published_policy\n")
    with pytest.raises(WarehouseError, match=r"sql/queries has no nonsense\.sql, expected one of: .*published_policy"):
        statement("nonsense")

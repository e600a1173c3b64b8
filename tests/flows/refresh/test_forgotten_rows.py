"""Refused rows of the forgotten are parted from those of others, whatever other cells spell."""

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from flows.refresh.forgotten import Forgotten, hash_of
from flows.refresh.forgotten_rows import BLANK, part_refused
from pipeline.contracts import REJECTS
from pipeline.ingest.cells import hash_of_id
from pipeline.ingest.lists import ListCells
from pipeline.ingest.raw_rows import RawRows
from pipeline.ingest.section import SourceSection

FIELDS = ("user", "item", "at", "clicked")


class Log(SourceSection):
    """A log of lines; ``a.csv`` and ``slates.csv`` are still there."""

    kind: str = "log"
    name: str = "log"
    path: Path = Path()

    def raw_rows(self, files: Collection[str]) -> Mapping[str, RawRows]:
        """See ``SourceSection``."""
        lines = RawRows({"user": "user", "item": "item"}, FIELDS)
        slates = RawRows({"user": "user", "item": "item"}, FIELDS, items=ListCells(["item"], " "))
        return {"a.csv": lines, "slates.csv": slates}


LOG = Log()


def rejects(*raws: str, file: str = "a.csv") -> pl.DataFrame:
    rows = [(file, line, raw, "time is missing") for line, raw in enumerate(raws)]
    return pl.DataFrame(rows, schema=REJECTS.schema, orient="row")


def user(number: int) -> Forgotten:
    return Forgotten(users=frozenset([hash_of("user", number)]))


def test_row_goes_where_the_user_is_the_forgotten_one_and_stays_where_another_cell_is() -> None:
    found = part_refused(rejects("1,5,x,0", "2,1,x,1", "11,1,x,1"), user(1), LOG)
    assert found.theirs["raw"].to_list() == ["1,5,x,0"]
    assert (found.others["raw"].to_list(), found.n_blanked) == (["2,1,x,1", "11,1,x,1"], 0)


def test_text_ids_are_known_by_their_hash_with_quotes_undone() -> None:
    found = part_refused(rejects('"us""r10",5,x,0', "user,5,x,0"), user(hash_of_id('us"r10')), LOG)
    assert found.others["raw"].to_list() == ["user,5,x,0"]


def test_where_the_column_is_not_known_the_row_stays_and_the_id_goes() -> None:
    """Too few fields, a file that is gone, an id of two columns in it; also a second time, so that the row is known by its text."""
    name = "usr-7"
    few = part_refused(rejects(f"{name},5,x", "usr-77,5"), user(hash_of_id(name)), LOG)
    assert (few.others["raw"].to_list(), few.n_blanked, few.theirs.height) == ([f"{BLANK},5,x", "usr-77,5"], 1, 0)
    gone = part_refused(rejects(f'"{name}";5;x;1', file="gone.csv"), user(hash_of_id(name)), LOG)
    assert gone.others["raw"].to_list() == [f'"{BLANK}";5;x;1']
    both = part_refused(rejects("5,eu,usr-7,x", file="gone.csv"), user(hash_of_id("eu|usr-7")), LOG)
    assert both.others["raw"].to_list() == [f"5,{BLANK},x"]
    assert part_refused(few.others, user(hash_of_id(name)), LOG).others.equals(few.others)


def test_slate_that_holds_other_items_keeps_them() -> None:
    found = part_refused(
        rejects("u1,7 8,x,1", "u1,7,x,1", file="slates.csv"), Forgotten(items=frozenset([hash_of("item", 7)])), LOG
    )
    assert (found.others["raw"].to_list(), found.theirs["raw"].to_list()) == ([f"u1,{BLANK} 8,x,1"], ["u1,7,x,1"])


def test_nobody_forgotten_leaves_all_rows_as_they_are() -> None:
    rows = rejects("1,5,x,0")
    assert part_refused(rows, Forgotten(), LOG).others.equals(rows)

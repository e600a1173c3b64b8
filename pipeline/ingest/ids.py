"""Ids: whole numbers that stay, or texts that are hashed. Which of the two is decided once, over the whole first delivery."""

from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from pipeline.ingest import cells, reasons
from pipeline.ingest.cells import OWN, Check

Kind = Literal["integer", "text"]
IDS = {"user": OWN + "user", "item": OWN + "item"}
# Ids that do not fit and are counted before a log of whole numbers is read again as texts; they are held in memory.
_MISFITS_TO_STOP = 100_000
_DIGITS = r"^[+-]?[0-9]+$"


@dataclass(frozen=True)
class IdKinds:
    """What the ids of a source are; the same for the life of a warehouse.

    Attributes:
        user: ``integer`` or ``text``.
        item: the same.
        is_decided: false while the first delivery is read with what its first rows suggest.
    """

    user: Kind = "integer"
    item: Kind = "integer"
    is_decided: bool = True

    def of(self, what: str) -> Kind:
        """The kind of ``user`` or ``item``."""
        return self.user if what == "user" else self.item


class OtherKinds(Exception):  # noqa: N818 no error: the delivery is to be read again
    """The delivery as a whole says that its ids are of other kinds than they were read as.

    Rows already handed out are not to be kept; read it again with ``kinds``.
    """

    def __init__(self, kinds: IdKinds) -> None:
        super().__init__(f"ids are {kinds.user} (users) and {kinds.item} (items)")
        self.kinds = kinds


@dataclass(frozen=True)
class Ids:
    """How the ids of one kind are read.

    Attributes:
        what: ``user`` or ``item``.
        column: where the raw file keeps them.
        is_text: true for texts that are hashed, false for whole numbers that stay.
    """

    what: str
    column: str
    is_text: bool

    @property
    def own(self) -> str:
        """The column that ``read`` adds."""
        return IDS[self.what]

    @property
    def value(self) -> pl.Expr:
        """The id, i64, of rows that ``read`` has seen."""
        return pl.col(self.own)

    def read(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the id as i64 in ``own``, null where there is none; blanks around an id do not belong to it."""
        dtype = rows.schema[self.column]
        value = cells.hashed(self.column, dtype) if self.is_text else cells.whole_id(self.column, dtype)
        return rows.with_columns(value.alias(self.own))

    def checks(self, rows: pl.DataFrame) -> list[Check]:
        """Where rows that ``read`` has seen have no such id, and why; none where all have."""
        if not rows[self.own].null_count():
            return []
        missing = pl.col(self.own).is_null()
        is_empty = cells.id_text(self.column, rows.schema[self.column]).is_null()
        checks: list[Check] = [(reasons.is_missing(f"{self.what} id"), missing & is_empty)]
        if self.is_text:
            return checks
        is_digits = cells.stripped(self.column).str.contains(_DIGITS)
        return [
            *checks,
            (reasons.is_other_spelling(self.what), missing & is_digits),
            (reasons.is_not(f"{self.what} id", "a whole number"), missing),
        ]


@dataclass
class Tally:
    """Counts, over a delivery whose ids are undecided, how many fit the kind they are read as.

    Whole numbers they are unless a number is spelt in another way than numbers are (0007, +7, 2^63: two spellings would be one
    id), or more than ``limit`` of all are no numbers at all.
    """

    limit: float
    n_ids: dict[str, int] = field(default_factory=lambda: {"user": 0, "item": 0})
    n_misfits: dict[str, int] = field(default_factory=lambda: {"user": 0, "item": 0})
    n_other_spellings: dict[str, int] = field(default_factory=lambda: {"user": 0, "item": 0})

    def note(self, rows: pl.DataFrame, ids: Ids) -> None:
        """Count the ids of some rows that ``ids`` has read."""
        dtype = rows.schema[ids.column]
        found = rows[ids.own] if not ids.is_text else rows.select(cells.whole_id(ids.column, dtype)).to_series()
        self.n_ids[ids.what] += rows.height
        if found.null_count():
            misfits = rows.filter(found.is_null()).select(cells.id_text(ids.column, dtype).alias("id"))["id"].drop_nulls()
            n_digits = int(misfits.str.contains(_DIGITS).sum())
            self.n_other_spellings[ids.what] += n_digits
            self.n_misfits[ids.what] += len(misfits) - n_digits

    def kind(self, what: str) -> Kind:
        """What the ids counted so far are."""
        is_text = self.n_other_spellings[what] > 0 or self.n_misfits[what] > self.limit * self.n_ids[what]
        return "text" if is_text else "integer"

    def require(self, kinds: IdKinds, *, at_end: bool) -> None:
        """Ask whether ids are what they are read as; before the end only what more rows cannot change.

        Raises:
            OtherKinds: they are others.
        """
        found = replace(kinds, is_decided=at_end)
        for what in ("user", "item"):
            is_certain = self.n_other_spellings[what] > 0 or self.n_misfits[what] > _MISFITS_TO_STOP
            if at_end or is_certain:
                kind: Kind = self.kind(what) if at_end else "text"
                found = replace(found, user=kind) if what == "user" else replace(found, item=kind)
        if (found.user, found.item) != (kinds.user, kinds.item):
            raise OtherKinds(found)


def likely_kinds(first_rows: pl.DataFrame, user: str, item: str) -> IdKinds:
    """What the first rows suggest: whole numbers if most of their ids are. Decides nothing but how the log is read at first."""
    kinds: list[Kind] = []
    for column in (user, item):
        dtype = first_rows.schema[column]
        n_ids, n_numbers = first_rows.select(
            cells.id_text(column, dtype).count(), cells.whole_id(column, dtype).alias("number").count()
        ).row(0)
        kinds.append("text" if 2 * n_numbers <= n_ids else "integer")
    return IdKinds(kinds[0], kinds[1], is_decided=False)

"""Users and items that were asked to be forgotten: known by the hash of their id, so that raw files may bring their rows again in vain."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.warehouse.warehouse import Warehouse

Kind = Literal["user", "item"]


def hash_of(kind: Kind, identifier: int) -> str:
    """How the table ``forgotten`` names a user or item: sha256 of kind, colon and id, as SQL's ``sha256(kind || ':' || id)``."""
    return hashlib.sha256(f"{kind}:{identifier}".encode()).hexdigest()


@dataclass(frozen=True)
class Forgotten:
    """Hashes of the ids of those who are forgotten."""

    users: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()

    @classmethod
    def of(cls, warehouse: Warehouse) -> "Forgotten":
        """As the last release has them."""
        rows = warehouse.query("SELECT kind, id_sha256 FROM forgotten").rows()
        return cls(*(frozenset(name for of, name in rows if of == kind) for kind in ("user", "item")))

    @property
    def parts(self) -> Sequence[str]:
        """For a fingerprint; none where nobody is forgotten."""
        return sorted(self.users | self.items)

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that are of nobody who is forgotten, by their columns user_id and item_id, of which one may be missing."""
        for column, kind, hashes in (("user_id", "user", self.users), ("item_id", "item", self.items)):
            if hashes and column in rows.columns:
                ids = rows[column].unique().to_list()
                gone = [number for number in ids if hash_of(kind, number) in hashes]  # type: ignore[arg-type]
                rows = rows.filter(~pl.col(column).is_in(gone)) if gone else rows
        return rows


NOBODY = Forgotten()

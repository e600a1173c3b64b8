"""Which columns of a raw file are read."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class WantedColumns:
    """Which columns of a file are read.

    Attributes:
        names: columns that it must have.
        exact: columns of text that a broken quote may not be part of.
        whole: columns of text that usually are whole numbers (``Layout.whole``).
        with_others: whether columns that are not wanted are needed too; of text they are read in any case.
        lists: those of the names whose cells may be lists.
        may_lack: those of the names that a file may be without; their cells are then empty.
    """

    names: Sequence[str]
    exact: Sequence[str] = ()
    whole: Sequence[str] = ()
    with_others: bool = False
    lists: Sequence[str] = ()
    may_lack: Sequence[str] = ()

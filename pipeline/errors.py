"""Errors that a person can mend; anything else that is raised is a bug and keeps its traceback.

A message is one line: what, how many, what was expected, and the next command.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def all_faults(faults: Sequence[str], what: str = "faults") -> str:
    """Faults as a part of one line: a single one as it is, several counted and numbered."""
    if len(faults) == 1:
        return faults[0]
    return f"{len(faults)} {what}: " + " ".join(f"{number}) {fault}" for number, fault in enumerate(faults, start=1))


class HsrlError(Exception):
    """The root of every error shown to the user as one line with exit code 2."""


class ConfigError(HsrlError):
    """A setting that is missing, misspelt or out of range."""


class SourceError(HsrlError):
    """A raw file that is refused as a whole: missing, truncated, wrong separator or header."""


class EmptyFileError(SourceError):
    """A raw file that holds no rows, or none yet; among others it is passed over."""


class ContractError(HsrlError):
    """A frame that breaks the contract of its table."""


class WarehouseError(HsrlError):
    """A warehouse that is missing, damaged, locked by another run, or of another layout."""


class QueryError(HsrlError):
    """A question in SQL that is wrong or not allowed."""


class AuditError(HsrlError):
    """A release that was refused by a blocking audit; nothing of it became visible."""


class TrainingError(HsrlError):
    """A training, checkpoint or evaluation that cannot go on with an honest result."""


class RunnerError(HsrlError):
    """A cluster that cannot be reached, lacks what a run needs, or lost its workers for good."""


class QuarantineError(SourceError):
    """A delivery of which too many rows were rejected; ``rejects`` (REJECTS) are kept for the quarantine."""

    def __init__(self, message: str, rejects: "pl.DataFrame") -> None:
        """Keep ``rejects`` (REJECTS) beside the ``message``."""
        super().__init__(message)
        self.rejects = rejects


def reason_of(error: BaseException) -> str:
    """What the system or a library says went wrong, in its first line; some raise OSError with a text only."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or first_line_of(error)


def first_line_of(error: BaseException) -> str:
    """What an error says, in a line; that a process was told to end says no more than a number by itself."""
    if isinstance(error, SystemExit):
        return f"told to end from outside (exit code {error.code}), as when its worker or the machine is stopped"
    if isinstance(error, KeyboardInterrupt):
        return "ended by Ctrl-C"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

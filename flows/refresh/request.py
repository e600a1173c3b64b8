"""What a person may ask of a refresh."""

from dataclasses import dataclass
from datetime import date

from flows.refresh.new_deliveries import Again, Days
from pipeline.errors import ConfigError


@dataclass(frozen=True)
class RefreshRequest:
    """What is asked of a refresh in addition to its configuration.

    Attributes:
        first, last: only deliveries of these days, both inclusive.
        rebuild: learn a new codebook.
        dry_run: only say what would be done.
        again: take in again what was taken in: ``corrected`` deliveries, or ``quarantined`` rows (see ``new_deliveries``).
        accept: names of changes that are meant, such as ``source.time_unit``.
    """

    first: date | None = None
    last: date | None = None
    rebuild: bool = False
    dry_run: bool = False
    accept: tuple[str, ...] = ()
    again: Again | None = None

    def __post_init__(self) -> None:
        """Refuse a first day after the last.

        Raises:
            ConfigError: it is.
        """
        if self.first and self.last and self.first > self.last:
            raise ConfigError(f"--from {self.first} lies after --to {self.last}; name the earlier day first")

    @property
    def days(self) -> Days:
        """The days whose deliveries are meant."""
        return Days(self.first, self.last)

    def nothing_new(self, n_passed_over: int) -> str:
        """Why there is nothing to do, where ``n_passed_over`` deliveries have no rows, or none that leave the quarantine."""
        if self.again == "quarantined":
            if n_passed_over:
                return "nothing new: the rows in quarantine are refused again for the same reasons"
            return "nothing new: no raw file that is still there has rows in quarantine"
        but = f" but for {n_passed_over} without rows" if n_passed_over else ""
        return f"nothing new: every raw file{self.days_in_words} is in the warehouse already{but}"

    @property
    def days_in_words(self) -> str:
        """The days as a part of a sentence: `` from 2026-01-02 to 2026-01-05``; empty where all are meant."""
        return "".join(f" {word} {day}" for word, day in (("from", self.first), ("to", self.last)) if day)

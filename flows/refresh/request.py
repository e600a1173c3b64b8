"""What a person may ask of a refresh."""

from dataclasses import dataclass
from datetime import date

from flows.refresh.staging import Days
from pipeline.errors import ConfigError


@dataclass(frozen=True)
class RefreshRequest:
    """What is asked of a refresh in addition to its configuration.

    Attributes:
        first, last: only deliveries of these days, both inclusive.
        rebuild: learn a new codebook.
        dry_run: only say what would be done.
        accept: names of changes that are meant, such as ``source.time_unit``.
    """

    first: date | None = None
    last: date | None = None
    rebuild: bool = False
    dry_run: bool = False
    accept: tuple[str, ...] = ()

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

    @property
    def days_in_words(self) -> str:
        """The days as a part of a sentence: `` from 2026-01-02 to 2026-01-05``; empty where all are meant."""
        return "".join(f" {word} {day}" for word, day in (("from", self.first), ("to", self.last)) if day)

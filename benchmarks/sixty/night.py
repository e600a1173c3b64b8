"""What a night of the sixty showed."""

from dataclasses import dataclass, field


@dataclass
class Night:
    """What a night showed.

    Attributes:
        date: of the night.
        happened: the misfortunes, in words.
        states: how the flow runs ended, in their order.
        cpu_seconds: of the refresh that succeeded last, and of the retrain; of the flows' own processes.
        megabytes: of the warehouse and of its catalogue.
        catalogue_rows: rows of all tables of the catalogue.
        kept: share of the items that kept their Semantic ID.
        n_rows: events so far.
        n_checked: invariants that were looked at; 0 where the night did not come so far.
        n_broken: how many of them did not hold.
        seconds: wall time of the night.
    """

    date: str
    happened: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    cpu_seconds: tuple[float, float] = (0.0, 0.0)
    megabytes: tuple[float, float] = (0.0, 0.0)
    catalogue_rows: int = 0
    kept: float | None = None
    n_rows: int = 0
    n_checked: int = 0
    n_broken: int = 0
    seconds: float = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether schedules ran one refresh and one retrain, with nothing amiss, and nothing else."""
        return self.states == ["COMPLETED", "COMPLETED"]

"""What the nights showed, as plain values that a page is made from, at once or later."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


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
        explained: share of the vectors' variance that the Semantic IDs explain.
        n_rows: events so far.
        n_checked: invariants that were looked at; 0 where the night did not come so far.
        n_broken: how many of them did not hold.
        has_upkeep: whether gc and verify ran.
        seconds: wall time of the night.
    """

    date: str
    happened: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    cpu_seconds: tuple[float, float] = (0.0, 0.0)
    megabytes: tuple[float, float] = (0.0, 0.0)
    catalogue_rows: int = 0
    kept: float | None = None
    explained: float | None = None
    n_rows: int = 0
    n_checked: int = 0
    n_broken: int = 0
    has_upkeep: bool = False
    seconds: float = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether schedules ran one refresh and one retrain, with nothing amiss, and nothing else."""
        return self.states == ["COMPLETED", "COMPLETED"]

    @property
    def is_upkeep(self) -> bool:
        """Whether gc and verify ended well, so that what lies there is what a warehouse keeps."""
        return self.has_upkeep and self.states[-2:] == ["COMPLETED", "COMPLETED"] and self.n_checked > 0


@dataclass
class Played:
    """All nights so far, and how they were run.

    Attributes:
        command: as it was typed, without folders of the machine.
        date: on which they began, ISO 8601.
        version: of the code after the upgrade.
        python: version of the interpreter.
        n_cores: of the machine, which other work shared.
        load: of the machine at the start, and after the last night.
        n_nights: that were to be played.
        n_notices: that hsrl sent.
        seen: night by night.
        faults: what was wrong, by night; empty = everything was as promised.
        is_whole: whether all nights are over, and what must hold of the whole was looked at.
    """

    command: str
    date: str
    version: str
    python: str
    n_cores: int
    load: tuple[float, float]
    n_nights: int
    n_notices: int = 0
    seen: list[Night] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    is_whole: bool = False

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load_from(cls, path: Path) -> "Played":
        """What ``save`` wrote."""
        found = json.loads(path.read_text())
        return cls(**{**found, "seen": [Night(**night) for night in found["seen"]], "load": tuple(found["load"])})

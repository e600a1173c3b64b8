"""What a study is: variants of a configuration, by their names and the settings that they change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASE = "as configured"


@dataclass(frozen=True)
class Variant:
    """A configuration that differs from the given one.

    Attributes:
        name: of the row.
        changes: setting → value, such as ``learner.gamma``.
        published: Total Reward that the paper prints for it.
        panel: the sweep it is a point of; empty outside sweeps.
        at: its position on that panel's axis.
        searched: in a tuned study, settings of the method's own that join the search, each with its values.
        chosen: what the search chose.
        block: heading under which its row stands; empty for the table's first block.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    published: float | None = None
    panel: str = ""
    at: float | None = None
    searched: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    block: str = ""


@dataclass(frozen=True)
class Sweep:
    """A setting over several values; the configured value is a point too."""

    panel: str
    setting: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Stage:
    """Where the catalogue test stands: policies learned on a first catalogue are judged on another.

    Attributes:
        name: of the stage.
        share: of the first catalogue's items that have been replaced, in [0, 0.5].
        learns_on: whether the policies learn on the new catalogue for a while before they are judged.
    """

    name: str
    share: float
    learns_on: bool = False


@dataclass(frozen=True)
class Study:
    """What `hsrl reproduce` can be asked for.

    Attributes:
        title: of the page.
        doc: what its page says, beside the figures of the paper.
        base: changes that all its variants share.
        variants: other than the configured variant, which comes first.
        sweeps: more variants, drawn as curves.
        published: of the configured variant.
        first_name: what pages call the configured variant.
        is_tuned: whether every variant is tuned alike before it is judged, see flows/study/tuning.py.
        stages: of the catalogue test, the first with nothing replaced; empty where the catalogue stays.
    """

    title: str
    doc: str
    base: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    published: float | None = None
    first_name: str = BASE
    is_tuned: bool = False
    stages: tuple[Stage, ...] = ()

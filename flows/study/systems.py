"""Every system of the papers as a row of their main table, and what of its own each may tune."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flows.study.study import Stage, Study, Variant

_ADAPTATIONS = "Our adaptations of systems whose papers do not specify them here (docs/baselines.md)"


def _method(name: str, title: str, searched: Mapping[str, tuple[Any, ...]] = MappingProxyType({}), block: str = "") -> Variant:
    """A method of the registry as a row of the table."""
    return Variant(title, {"learner.method": name}, searched=searched, block=block)


TABLE2 = Study(
    "Every system of the papers, tuned alike (the papers' main table)",
    "Each method tries eight configurations, chosen by successive halving in the training simulators alone, and is then judged once. "
    "The first row is HSRL; every difference and verdict is beside it.",
    base={"learner.preset": "best", "learner.method": "hsrl"},
    variants=(
        _method("token_sasrec", "token-level SASRec, supervised"),
        _method("item_sasrec", "item-level SASRec, supervised"),
        _method("item_sasrec_log", "item-level SASRec, log alone"),
    ),
    first_name="HSRL",
    is_tuned=True,
)

_NIGHTS = tuple(Stage(f"night {night}", night / 60) for night in (5, 10, 15, 20, 25, 30))
CATALOGUE = Study(
    "Items come and go: what a policy is worth on a catalogue that it has not learned on",
    "Policies learn on two thirds of the items. Then some of those give way to items that nobody has seen, whose Semantic IDs come from the "
    "codebook of the first catalogue: 20 % and 50 % at once, and a sixtieth every night for thirty nights. Nothing is learned in between but "
    "where a stage says so. The catalogue itself gets better or worse too, which every row meets alike: the last column is what a row "
    "changes beside what the first row changes.",
    base={"learner.preset": "best", "learner.method": "hsrl"},
    variants=(
        _method("item_sasrec", "item-level SASRec, supervised"),
        _method("token_sasrec", "token-level SASRec, supervised"),
    ),
    first_name="HSRL",
    stages=(
        Stage("first catalogue", 0.0),
        Stage("20 % replaced", 0.2),
        Stage("20 % replaced, learned on", 0.2, learns_on=True),
        Stage("50 % replaced", 0.5),
        Stage("50 % replaced, learned on", 0.5, learns_on=True),
        *_NIGHTS,
    ),
)

"""Every system of the papers as a row of their main table, and what of its own each may tune."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flows.study.study import Study, Variant

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

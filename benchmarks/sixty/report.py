"""The sixty nights as a page."""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.sixty.night import Night
from benchmarks.sixty.plan import Nights

_GROUPS = 5
_FIGURES: dict[str, Callable[[Night], float]] = {
    "refresh, CPU s": lambda night: night.cpu_seconds[0],
    "retrain, CPU s": lambda night: night.cpu_seconds[1],
    "warehouse, MB": lambda night: night.megabytes[0],
    "catalogue, MB": lambda night: night.megabytes[1],
    "catalogue, rows": lambda night: night.catalogue_rows,
}


def report(nights: Nights, load: float) -> str:
    """Markdown: the command, what held, how costs went, every night.

    Args:
        nights: that were played, all of them or not.
        load: of the machine when they began.
    """
    calm = [(number, night) for number, night in enumerate(nights.seen, 1) if night.is_calm and night.n_checked]
    n_seen = len(nights.seen)
    lines = [
        "# Sixty nights by Prefect's schedules" if n_seen == 60 else f"# {n_seen} nights by Prefect's schedules",
        "",
        *_head(nights, load),
        "",
        f"Faults: {len(nights.faults)}." + "".join(f"\n- {' '.join(fault.split())}" for fault in nights.faults),
        "",
        f"Invariants looked at by SQL: {sum(night.n_checked for night in nights.seen):,}, of which "
        f"{sum(night.n_broken for night in nights.seen)} did not hold. Notices sent: {nights.n_notices()}. "
        f"Calm nights, of one refresh and one retrain by schedule: {len(calm)}.",
        "",
        "A night costs (medians of calm nights; CPU seconds of the flows' own processes; the warehouse without the copies for readers "
        "that\ngo within the hour):",
        "",
        *_table(["calm nights", *_FIGURES, "events", "kept Semantic IDs, least"], [_of(group) for group in _grouped(calm)]),
        "",
        "What a calm night adds, by a straight line through all of them:",
        "",
        *_table(["figure", "a night more", "of its mean"], _slopes(calm)),
        "",
        *_table(
            ["night", "what happened", "flow runs", *_FIGURES, "kept", "invariants held"],
            [_row(number, night) for number, night in enumerate(nights.seen, 1)],
        ),
    ]
    return "\n".join([*lines, ""])


def _head(nights: Nights, load: float) -> list[str]:
    from flows.runtime.resources import code_version

    words = [
        Path(word).name if word.startswith("/") else word for word in sys.argv[1:]
    ]  # folders of this machine are nobody's business
    minutes = sum(night.seconds for night in nights.seen) / 60
    return [
        f"`python -m benchmarks.sixty {' '.join(words)}`",
        "",
        f"{time.strftime('%Y-%m-%d')}, version {code_version()}, Python {sys.version.split()[0]}, {os.cpu_count()} cores shared with other "
        f"work,\nload {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end, {minutes:.0f} minutes.",
        *([f"Cut short after {len(nights.seen)} of {nights.n_nights} nights."] if len(nights.seen) < nights.n_nights else []),
    ]


def _grouped(calm: Sequence[tuple[int, Night]]) -> list[Sequence[tuple[int, Night]]]:
    """In the order of time, of equal size as far as they go."""
    cuts = [round(len(calm) * part / _GROUPS) for part in range(_GROUPS + 1)]
    return [calm[start:end] for start, end in itertools.pairwise(cuts) if end > start]


def _of(group: Sequence[tuple[int, Night]]) -> list[str]:
    nights = [night for _, night in group]
    kept = [night.kept for night in nights if night.kept is not None]
    middles = [_number(statistics.median(figure(night) for night in nights)) for figure in _FIGURES.values()]
    numbers = f"{group[0][0]} to {group[-1][0]} ({len(group)})"
    return [numbers, *middles, f"{nights[-1].n_rows:,}", _share(min(kept, default=None))]


def _slopes(calm: Sequence[tuple[int, Night]]) -> list[list[str]]:
    """For each figure how much it grows by a night, also as a share of its mean; none from fewer than three nights."""
    if len(calm) < 3:
        return []
    found = []
    for name, figure in _FIGURES.items():
        values = np.array([figure(night) for _, night in calm])
        slope = float(np.polyfit([number for number, _ in calm], values, 1)[0])
        found.append([name, f"{slope:+.3f}", f"{slope / values.mean():+.2%}"])
    return found


def _row(number: int, night: Night) -> list[str]:
    held = f"{night.n_checked - night.n_broken} of {night.n_checked}" if night.n_checked else "–"
    figures = [_number(figure(night)) for figure in _FIGURES.values()]
    happened, states = "; ".join(night.happened) or "–", " ".join(state.lower() for state in night.states)
    return [str(number), happened, states, *figures, _share(night.kept), held]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"

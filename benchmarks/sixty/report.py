"""The nights as a page, at once or again from what a run kept.

python -m benchmarks.sixty.report DIR/nights.json --out PAGE
"""

import argparse
import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.pages import out_file
from benchmarks.sixty.night import Night, Played

_GROUPS = 5
_LEAST_FOR_A_LINE = 3  # a line through two points fits whatever they are
_FIGURES: dict[str, Callable[[Night], float]] = {
    "refresh, CPU s": lambda night: night.cpu_seconds[0],
    "retrain, CPU s": lambda night: night.cpu_seconds[1],
    "warehouse, MB": lambda night: night.megabytes[0],
    "catalogue, MB": lambda night: night.megabytes[1],
    "catalogue, rows": lambda night: night.catalogue_rows,
}


def report(played: Played) -> str:
    """Markdown: the command, what held, how costs went, every night."""
    calm = [(number, night) for number, night in enumerate(played.seen, 1) if night.is_calm and night.n_checked]
    weekly = [(number, night) for number, night in enumerate(played.seen, 1) if night.is_upkeep]
    lines = [
        "# Nights by Prefect's schedules",
        "",
        *_head(played),
        "",
        f"Faults: {len(played.faults)}." + "".join(f"\n- {' '.join(fault.split())}" for fault in played.faults),
        "",
        f"Invariants looked at by SQL: {sum(night.n_checked for night in played.seen):,}, of which "
        f"{sum(night.n_broken for night in played.seen)} did not hold. Notices sent: {played.n_notices}.",
        f"Calm nights, of one refresh and one retrain by schedule: {len(calm)}.",
        "",
        "What a calm night costs: medians; CPU seconds of the flows' own processes; the warehouse without those copies for readers that",
        "go when they are an hour old.",
        "",
        *_table(
            ["calm nights", *_FIGURES, "events", "kept Semantic IDs, least", "variance explained, least"],
            [_of(group) for group in _grouped(calm)],
        ),
        "",
        "What a night more adds, by a straight line through the calm nights; for sizes through the nights of `hsrl gc`, once a week. A",
        "retrain learns from the newest 6,000 records, those of about ten nights; the warehouse holds the log.",
        "",
        *_table(["figure", "a night more", "of its mean"], _slopes(calm, weekly)),
        "",
        "Every night:",
        "",
        *_table(
            ["night", "what happened", "flow runs", *_FIGURES, "events", "kept", "explained", "invariants held"],
            [_row(number, night) for number, night in enumerate(played.seen, 1)],
        ),
    ]
    return "\n".join([*lines, ""])


def _head(played: Played) -> list[str]:
    n_seen, minutes = len(played.seen), sum(night.seconds for night in played.seen) / 60
    by_hand = sum("BY HAND" in night.states for night in played.seen)
    whole = (
        "At the end `hsrl verify` looked at all of it, and its events were compared with those of one refresh of all files at once."
        if played.is_whole
        else "What must hold of the whole was not looked at, as the run was cut short."
    )
    return [
        f"`{played.command}`",
        "",
        f"{played.date}, version {played.version}, Python {played.python}, {played.n_cores} cores shared with other work, load "
        f"{played.load[0]:.1f} at the",
        f"start and {played.load[1]:.1f} at the end, {minutes:.0f} minutes. {n_seen} of {played.n_nights} nights, the first {by_hand} by the "
        "earlier version, by hand.",
        whole,
    ]


def _grouped(calm: Sequence[tuple[int, Night]]) -> list[Sequence[tuple[int, Night]]]:
    """In the order of time, of equal size as far as they go."""
    cuts = [round(len(calm) * part / _GROUPS) for part in range(_GROUPS + 1)]
    return [calm[start:end] for start, end in itertools.pairwise(cuts) if end > start]


def _of(group: Sequence[tuple[int, Night]]) -> list[str]:
    nights = [night for _, night in group]
    kept = [night.kept for night in nights if night.kept is not None]
    explained = [night.explained for night in nights if night.explained is not None]
    middles = [_number(statistics.median(figure(night) for night in nights)) for figure in _FIGURES.values()]
    numbers = f"{group[0][0]} to {group[-1][0]} ({len(group)})"
    return [numbers, *middles, f"{nights[-1].n_rows:,}", _share(min(kept, default=None)), _share(min(explained, default=None))]


def _slopes(calm: Sequence[tuple[int, Night]], weekly: Sequence[tuple[int, Night]]) -> list[list[str]]:
    """For each figure how much it grows by a night, also as a share of its mean; none from fewer than three nights."""
    found = []
    for name, figure in _FIGURES.items():
        nights = calm if "CPU" in name else weekly
        if len(nights) >= _LEAST_FOR_A_LINE:
            values = np.array([figure(night) for _, night in nights])
            slope = float(np.polyfit([number for number, _ in nights], values, 1)[0])
            found.append([name, f"{slope:+.3f}", f"{slope / values.mean():+.2%}"])
    return found


def _row(number: int, night: Night) -> list[str]:
    held = f"{night.n_checked - night.n_broken} of {night.n_checked}" if night.n_checked else "–"
    figures = [_number(figure(night)) for figure in _FIGURES.values()]
    happened, states = "; ".join(night.happened) or "–", " ".join(state.lower() for state in night.states)
    return [str(number), happened, states, *figures, f"{night.n_rows:,}", _share(night.kept), _share(night.explained), held]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kept", type=Path, help="nights.json of a run's scratch folder")
    parser.add_argument("--out", type=out_file, required=True)
    arguments = parser.parse_args()
    arguments.out.write_text(report(Played.load_from(arguments.kept)))

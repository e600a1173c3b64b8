"""The sixty nights as a page."""

import os
import statistics
import sys
import time

from benchmarks.sixty.plan import Night, Nights


def report(nights: Nights, load: float) -> str:
    """Markdown: the command, what held, how costs went, every night."""
    from flows.runtime.resources import code_version

    seen = [night for night in nights.seen if night.n_rows]
    calm = [night for night in seen if night.states == ["COMPLETED", "COMPLETED"]]
    lines = [
        "# Sixty nights by Prefect's schedules"
        if len(nights.seen) == 60
        else f"# {len(nights.seen)} nights by Prefect's schedules",
        "",
        f"`python -m benchmarks.sixty {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}, version {code_version()}, "
        f"{os.cpu_count()} cores, load {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end, "
        f"{sum(night.seconds for night in nights.seen) / 60:.0f} minutes.",
        "",
        f"Faults: {len(nights.faults)}." + "".join(f"\n- {fault}" for fault in nights.faults),
        "",
        f"Notices sent: {nights.n_notices()}. Calm nights: {len(calm)}.",
        "",
        "| calm nights | refresh, CPU s | retrain, CPU s | warehouse, MB | catalogue, MB | events | kept Semantic IDs, least |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    fifth = max(1, len(calm) // 5)
    lines += [
        _of(calm[start : start + fifth]) for start in range(0, len(calm), fifth) if len(calm[start : start + fifth]) == fifth
    ]
    lines += [
        "",
        "| night | what happened | flow runs | refresh, CPU s | warehouse, MB | kept |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {number} | {'; '.join(night.happened) or '–'} | {' '.join(state.lower() for state in night.states)} "
        f"| {night.cpu_seconds[0]:.1f} | {night.megabytes[0]:.1f} | {_share(night.kept)} |"
        for number, night in enumerate(nights.seen, 1)
    ]
    return "\n".join([*lines, ""])


def _of(nights: list[Night]) -> str:
    kept = [night.kept for night in nights if night.kept is not None]
    middle = [statistics.median(values) for values in (
        [night.cpu_seconds[0] for night in nights], [night.cpu_seconds[1] for night in nights],
        [night.megabytes[0] for night in nights], [night.megabytes[1] for night in nights])]  # fmt: skip
    return (
        f"| {nights[0].date} to {nights[-1].date} | " + " | ".join(f"{value:.1f}" for value in middle)
        + f" | {nights[-1].n_rows:,} | {_share(min(kept, default=None))} |"
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"

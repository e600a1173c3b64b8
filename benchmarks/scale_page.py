"""The page of benchmarks.scale: what nights cost as a log grows, and what Kuaishou's day would, worked out from them."""

from collections.abc import Mapping, Sequence
from typing import Any

# Kuaishou's day of advertising, as the paper has it: five events a user.
DAY_EVENTS, DAY_USERS = 450_000_000, 90_000_000
HOUR = 3600
# The stage whose buckets Dask and Ray spread over machines; the others run in the process that commits.
SPREAD = "ingest and records"
_ALL, _KB = "all", 1024
_STAGES = (
    "look for new files",
    "check stored files",
    "read the last release",
    SPREAD,
    "splits",
    "semantic ids",
    "audits and publish",
)

Night = Mapping[str, Any]


def page(measured: Mapping[str, Any]) -> str:
    """The page in Markdown, of what ``benchmarks.scale`` noted."""
    nights: list[Night] = measured["nights"]
    lines = [
        "# A log that grows by days",
        "",
        f"Made by `python -m benchmarks.scale --users {measured['users']} --days {' '.join(map(str, measured['asked']))} …`,",
        f"{measured['date']}, version {measured['version']}, {measured['cores']} cores that other work shared: CPU seconds hold, times do not.",
        f"{measured['users']:,} users, {measured['items']:,} items, K = {measured['slate']}. Each row is a night: the day of so many events",
        "taken in, Semantic IDs, audits, commit. The first night also learns the codebook. A row marked * was tried on a copy.",
        "",
        *_nights(nights),
        "",
        "CPU seconds and largest memory (MB) of each stage:",
        "",
        *_stages(nights),
        "",
        *_comparisons(nights),
    ]
    if (day := _like_a_day(nights)) is not None:
        lines += ["", *_projection(day), *_with_the_log(nights)]
    return "\n".join([*lines, ""])


def _nights(nights: Sequence[Night]) -> list[str]:
    lines = [
        "| events of the day | so far | users | CPU s | largest MB | disk MB | events | records | states | catalogue rows | files |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for night in nights:
        (cpu, memory), disk, rows = night["costs"][_ALL], night["disk"], night["catalogue"]
        sizes = " | ".join(f"{disk[name]:,.0f}" for name in (_ALL, "events", "records", "user states"))
        lines.append(
            f"| {night['n_events']:,}{'*' if night['aside'] else ''} | {night['so_far']:,} | {night['n_users']:,} | {cpu:,.1f} | "
            f"{memory:,.0f} | {sizes} | {rows[_ALL]:,} | {rows['files']:,} |"
        )
    return lines


def _stages(nights: Sequence[Night]) -> list[str]:
    lines = [f"| so far | {' | '.join(_STAGES)} |", "| ---: |" + " ---: |" * len(_STAGES)]
    for night in nights:
        cells = [f"{cpu:,.1f} / {memory:,.0f}" for cpu, memory in (night["costs"].get(name, (0.0, 0.0)) for name in _STAGES)]
        lines.append(f"| {night['so_far']:,}{'*' if night['aside'] else ''} | {' | '.join(cells)} |")
    return lines


def _comparisons(nights: Sequence[Night]) -> list[str]:
    """One more day as a share of all before it, and the growth of memory."""
    first, lines = nights[0], []
    grown = [night for night in nights if not night["aside"]]
    for night in nights[1:]:
        before = night["so_far"] - night["n_events"]
        if night["n_events"] * 4 > before:
            continue
        built = sum(each["costs"][_ALL][0] for each in (grown if not night["aside"] else [first]) if each["so_far"] <= before)
        share = night["costs"][_ALL][0] / built
        lines.append(f"- One more day of {night['n_events']:,} onto {before:,}: {share:.1%} of the CPU seconds that these took.")
    middle, last = grown[(len(grown) - 1) // 2], grown[-1]
    if last is not middle:
        ratio = last["costs"][_ALL][1] / middle["costs"][_ALL][1]
        lines.append(f"- Largest memory from {middle['so_far']:,} to {last['so_far']:,} events: {ratio:.2f} times.")
    return lines


def _like_a_day(nights: Sequence[Night]) -> Night | None:
    """The last night that brought as many events a user as Kuaishou's day does, onto a log that was there."""
    share = DAY_EVENTS / DAY_USERS
    fitting = [
        night for night in nights[1:] if not night["aside"] and abs(night["n_events"] / night["n_users"] / share - 1) < 0.25
    ]
    return fitting[-1] if fitting else None


def _with_the_log(nights: Sequence[Night]) -> list[str]:
    """What each further day adds to the stage that looks for changed users in the records of all days."""
    later = sorted(nights[1:], key=lambda night: night["so_far"])
    if len(later) < 2:
        return []
    (before, _), (after, _) = (night["costs"]["semantic ids"] for night in (later[0], later[-1]))
    a_million = (after - before) / (later[-1]["so_far"] - later[0]["so_far"]) * 1_000_000
    a_day = a_million * DAY_EVENTS / 1_000_000
    return [
        f"- `semantic ids` looks through the records of all days: {a_million:.2f} CPU s more for each million events that were there before, so",
        f"  each of Kuaishou's days makes the next ones {a_day:,.0f} s longer. The figures above hold for a log as long as that one.",
    ]


def _projection(night: Night) -> list[str]:
    """What Kuaishou's day costs if every stage grows as events and users do."""
    factor = DAY_EVENTS / night["n_events"]
    base = min(memory for _, memory in night["costs"].values())  # of the process with its libraries
    costs = {name: (cpu * factor, base + (memory - base) * factor) for name, (cpu, memory) in night["costs"].items()}
    alone = sum(cpu for name, (cpu, _) in costs.items() if name not in (SPREAD, _ALL))
    spread, left = costs[SPREAD][0], HOUR - alone
    lines = [
        "## Kuaishou's day, worked out",
        "",
        f"{DAY_EVENTS:,} events of {DAY_USERS:,} users, K = 1: {factor:,.1f} times the night that ended at {night['so_far']:,} events,",
        "in events as in users. Every stage is taken to grow by that factor, and memory by it beyond what a process has with its libraries",
        f"({base:,.0f} MB). Nothing of this was run.",
        "",
        "| stage | CPU s | memory GB in a process |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {costs[name][0]:,.0f} | {costs[name][1] / _KB:,.1f} |" for name in _STAGES if name in costs),
        "",
        f"- {costs[_ALL][0] / HOUR:,.2f} core-hours in all; {spread / HOUR:,.2f} of them in `{SPREAD}`, whose buckets Dask or Ray spread.",
        f"- The other stages run in one process: {alone:,.0f} s of a core, {alone / HOUR:.0%} of the hour.",
    ]
    if left > 0:
        lines.append(f"- That leaves {left:,.0f} s for `{SPREAD}`: {spread / left:,.1f} cores kept busy, if all of it spreads.")
    else:
        lines.append(
            f"- That alone takes an hour or more, however many machines do `{SPREAD}`: these stages are to be spread next."
        )
    most = max(memory for name, (_, memory) in costs.items() if name not in (SPREAD, _ALL))
    lines.append(f"- The process that commits needs {most / _KB:,.0f} GB.")
    stored = (night["disk"]["events"] + night["disk"]["records"]) / night["so_far"] * DAY_EVENTS
    lines.append(f"- Each day adds {stored / _KB:,.1f} GB of events and records.")
    return lines

"""Iterations per CPU second of the whole loop, beside a mirror of the authors' loop, and where an iteration's time goes.

    python -m benchmarks.iteration --iterations 200 --rounds 5 --out docs/results/iteration.md
    python -m benchmarks.iteration --methods hsrl ddpg td3 hac          # methods of the registry instead, the first is the measure

One thread; a random world of the size of ML-1M (``world``), the same for all. CPU seconds, not wall seconds, so that a busy machine
tells nearly the same. The loops take turns, round by round, after a warm-up in which the replay fills.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.iteration.measure import PARTS, authors, ours, parts, shares_of_method, two_processes
from benchmarks.iteration.world import random_world
from benchmarks.pages import out_file
from hsrl_train.learner.methods import METHODS

MIRROR = "the authors' loop, mirrored"


def rates(loops: Mapping[str, tuple[Callable[[int], float], int]], rounds: int) -> dict[str, list[float]]:
    """Iterations per CPU second of each loop, which comes with the iterations to measure, in each round."""
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, (loop, n) in loops.items():
            found[name].append(n / loop(n))
    return found


def page(found: Mapping[str, list[float]], spent: Mapping[str, Mapping[str, float]], summary: str) -> str:
    """Markdown."""
    mirror = statistics.median(found[MIRROR])
    lines = [
        "# An iteration of the learner",
        "",
        summary,
        "",
        "| loop | iterations per CPU second | least … most | × the mirror |",
    ]
    lines.append("| --- | ---: | ---: | ---: |")
    for name, values in found.items():
        middle = statistics.median(values)
        lines.append(f"| {name} | {middle:.1f} | {min(values):.1f} … {max(values):.1f} | {middle / mirror:.1f} |")
    names = list(spent)
    lines += ["", "Where the CPU milliseconds of an iteration go; … = part of what is above it:", ""]
    lines += [f"| part | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    lines += [f"| {part} | {' | '.join(f'{spent[name][part]:.2f}' for name in names)} |" for part in (*PARTS, "everything")]
    return "\n".join([*lines, ""])


def methods_page(found: Mapping[str, list[float]], shares: Mapping[str, Mapping[str, float]], summary: str) -> str:
    """Markdown: what an iteration of each method costs, beside the first, and what share of it each part takes."""
    first = statistics.median(next(iter(found.values())))
    heads = ["method", "iterations per CPU second", "least … most", "CPU ms an iteration", "× the first"]
    heads += next(iter(shares.values()))
    lines = [
        "# An iteration of each method",
        "",
        summary,
        "",
        f"| {' | '.join(heads)} |",
        "| --- |" + " ---: |" * (len(heads) - 1),
    ]
    for name, values in found.items():
        middle = statistics.median(values)
        cells = [name, f"{middle:.1f}", f"{min(values):.1f} … {max(values):.1f}", f"{1000 / middle:.1f}", f"{first / middle:.2f}"]
        lines.append(f"| {' | '.join([*cells, *(f'{share:.0%}' for share in shares[name].values())])} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=200, help="of the product's loop in a round; of the mirror a fifth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), help="measure these, preset best, and nothing else")
    parser.add_argument("--out", type=out_file)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n, world = arguments.iterations, random_world(0)
    measured = "Random world of the size of ML-1M, 32 sessions, 64 samples an update, one thread; median of the rounds."
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = f"{os.cpu_count()} cores, load {load}"
    if arguments.methods:
        by_method = {name: (partial(ours, world, {"preset": "best", "method": name}), n) for name in arguments.methods}
        command = f"`python -m benchmarks.iteration --methods {' '.join(arguments.methods)} --iterations {n} --rounds {arguments.rounds}`"
        found = rates(by_method, arguments.rounds)
        shares = {name: shares_of_method(world, name, n) for name in arguments.methods}
        written(methods_page(found, shares, f"{command}, {machine}. {measured}"), arguments.out)
        return
    presets: dict[str, dict[str, Any]] = {f"preset {name}": {"preset": name} for name in ("paper", "best")}
    loops: dict[str, tuple[Callable[[int], float], int]] = {MIRROR: (partial(authors, world), max(n // 5, 10))}
    loops |= {name: (partial(ours, world, config), n) for name, config in presets.items()}
    loops["preset best, two seeds as processes"] = (partial(two_processes, presets["preset best"]), 2 * n)
    found = rates(loops, arguments.rounds)
    spent = {name: parts(world, config, n) for name, config in presets.items()}
    command = f"`python -m benchmarks.iteration --iterations {n} --rounds {arguments.rounds}`"
    written(page(found, spent, f"{command}, {machine}. {measured}"), arguments.out)


def written(text: str, out: Path | None) -> None:
    """Print the page, and write it where asked."""
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

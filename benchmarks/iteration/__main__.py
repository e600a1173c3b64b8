"""Iterations per CPU second of the whole loop, beside a mirror of the authors' loop, and where an iteration's time goes.

    python -m benchmarks.iteration --iterations 200 --rounds 5 --out docs/results/iteration.md

One thread; a random world of the size of ML-1M (``world``), the same for all. CPU seconds, not wall seconds, so that a busy machine
tells nearly the same. The loops take turns, round by round, after a warm-up in which the replay fills.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.iteration.authors_loop import AuthorsLoop
from benchmarks.iteration.world import World, random_world
from hsrl_train.decoding import SidIndex
from hsrl_train.environment import Environment
from hsrl_train.hsrl import Hsrl
from hsrl_train.learner_config import LearnerConfig
from hsrl_train.loop import train
from hsrl_train.methods import fresh_method
from hsrl_train.policy import HsrlNetwork
from hsrl_train.replay import Replay

MIRROR = "the authors' loop, mirrored"
LEARN_AFTER = 2_000
WARM_UP = LEARN_AFTER // 32 + 20  # iterations until the updates run, and some of them
# Where the time goes: what is timed with all that it calls; … = part of a line above.
PARTS: dict[str, tuple[Any, str]] = {
    "act: slates to explore with": (Hsrl, "act"),
    "… choosing items": (SidIndex, "sampled"),
    "environment: answers": (Environment, "step"),
    "replay: add": (Replay, "add"),
    "replay: sample": (Replay, "sample"),
    "learn: one update": (Hsrl, "learn"),
    "… backward": (torch.Tensor, "backward"),
    "… Adam": (torch.optim.Adam, "step"),
    "… value of the next state": (Hsrl, "_next_value"),
    "networks forward: acting, learning, next state": (HsrlNetwork, "tokens"),
}


def ours(world: World, config: Mapping[str, Any], n: int) -> float:
    """CPU seconds of ``n`` iterations of the product's own loop, after the warm-up."""
    return _timed(world, config, n, {})


def parts(world: World, config: Mapping[str, Any], n: int) -> dict[str, float]:
    """CPU milliseconds an iteration of each part, and of all of it."""
    spent = dict.fromkeys(PARTS, 0.0)
    whole = _timed(world, config, n, spent)
    return {part: 1000 * seconds / n for part, seconds in {**spent, "everything": whole}.items()}


def _timed(world: World, config: Mapping[str, Any], n: int, spent: dict[str, float]) -> float:
    """CPU seconds of ``n`` iterations; those of the parts are added to ``spent``, if it asks for them."""
    settings = LearnerConfig(n_iterations=WARM_UP + n, learn_after=LEARN_AFTER, **config)
    method = fresh_method(world.catalogue, world.records.profiles.shape[1], world.records.history.shape[1], settings, 0)
    began = 0.0
    with ExitStack() as stack:

        def mark(iteration: int, _: object) -> None:
            nonlocal began
            if iteration == WARM_UP:
                stack.enter_context(_watched(spent))
                began = time.process_time()

        train(method, world.environment, world.records, settings, 0, progress=mark)
        return time.process_time() - began


@contextmanager
def _watched(spent: dict[str, float]) -> Iterator[None]:
    """Time the parts while the block runs."""
    with ExitStack() as stack:
        for part in spent:
            owner, name = PARTS[part]
            stack.enter_context(mock.patch.object(owner, name, _adding(getattr(owner, name), spent, part)))
        yield


def _adding(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.process_time() - began

    return watched


def authors(world: World, n: int) -> float:
    """CPU seconds of ``n`` iterations of the mirror, after the same warm-up."""
    loop = AuthorsLoop(world, LEARN_AFTER, 0)
    for _ in range(WARM_UP):
        loop.iterate()
    began = time.process_time()
    for _ in range(n):
        loop.iterate()
    return time.process_time() - began


def rates(loops: Mapping[str, tuple[Callable[[int], float], int]], rounds: int) -> dict[str, list[float]]:
    """Iterations per CPU second of each loop, which comes with the iterations to measure, in each round."""
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, (loop, n) in loops.items():
            found[name].append(n / loop(n))
    return found


def page(found: Mapping[str, list[float]], spent: Mapping[str, Mapping[str, float]], told: str) -> str:
    """Markdown."""
    mirror = statistics.median(found[MIRROR])
    lines = ["# An iteration of the learner", "", told, "", "| loop | iterations per CPU second | least … most | × the mirror |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for name, values in found.items():
        middle = statistics.median(values)
        lines.append(f"| {name} | {middle:.1f} | {min(values):.1f} … {max(values):.1f} | {middle / mirror:.1f} |")
    names = list(spent)
    lines += ["", "Where the CPU milliseconds of an iteration go; … = part of what is above it:", ""]
    lines += [f"| part | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    lines += [f"| {part} | {' | '.join(f'{spent[name][part]:.2f}' for name in names)} |" for part in (*PARTS, "everything")]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=200, help="of the product's loop in a round; of the mirror a fifth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n, world = arguments.iterations, random_world(0)
    presets: dict[str, dict[str, Any]] = {f"preset {name}": {"preset": name} for name in ("paper", "best")}
    loops: dict[str, tuple[Callable[[int], float], int]] = {MIRROR: (partial(authors, world), max(n // 5, 10))}
    loops |= {name: (partial(ours, world, config), n) for name, config in presets.items()}
    found = rates(loops, arguments.rounds)
    spent = {name: parts(world, config, n) for name, config in presets.items()}
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    told = (
        f"`python -m benchmarks.iteration --iterations {n} --rounds {arguments.rounds}`, {os.cpu_count()} cores, load {load}. "
        "Random world of the size of ML-1M, 32 sessions, 64 samples an update, one thread; median of the rounds."
    )
    text = page(found, spent, told)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

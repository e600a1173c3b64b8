"""What is measured: CPU seconds of iterations, of whole loops and of their parts."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from benchmarks.iteration.authors_loop import AuthorsLoop
from benchmarks.iteration.world import World, random_world
from flows.runtime.workers import run_parallel
from hsrl_train.learner import loop
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import SidIndex
from hsrl_train.learner.loop import Hooks, train
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.policy import HsrlNetwork
from hsrl_train.learner.replay import Replay
from hsrl_train.simulator.environment import Environment

LEARN_AFTER = 2_000
WARM_UP = LEARN_AFTER // 32 + 20  # iterations until the updates run, and some of them
Parts = Mapping[str, tuple[Any, str]]  # part → what does it: a class or a module, and the name there
# Where the time goes: what is timed with all that it calls; … = part of a line above.
PARTS: Parts = {
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
    return _timed(world, config, n, {}, {})


def parts(world: World, config: Mapping[str, Any], n: int) -> dict[str, float]:
    """CPU milliseconds an iteration of each part, and of all of it."""
    return _spent(world, config, n, PARTS)


def shares_of_method(world: World, method: str, n: int) -> dict[str, float]:
    """Shares of an iteration of a method, preset best: choosing slates, simulated answers, the update, and the loop's own doing."""
    kind = method_named(method).learner
    watched: Parts = {
        "choosing slates": (kind, "act"),
        "simulated answers": (Environment, "step"),
        "… those of asked items": (loop, "supervise"),  # answers too, but not in step
        "the update": (kind, "learn"),
    }
    spent = _spent(world, {"preset": "best", "method": method}, n, watched)
    whole = spent.pop("everything")
    spent["simulated answers"] += spent.pop("… those of asked items")
    return {**{part: took / whole for part, took in spent.items()}, "the loop itself": 1 - sum(spent.values()) / whole}


def _spent(world: World, config: Mapping[str, Any], n: int, watched: Parts) -> dict[str, float]:
    spent = dict.fromkeys(watched, 0.0)
    whole = _timed(world, config, n, spent, watched)
    return {part: 1000 * seconds / n for part, seconds in {**spent, "everything": whole}.items()}


def _timed(world: World, config: Mapping[str, Any], n: int, spent: dict[str, float], watched: Parts) -> float:
    """CPU seconds of ``n`` iterations; those of the watched parts are added to ``spent``."""
    length = {"schedule": {"n_iterations": WARM_UP + n, "learn_after": LEARN_AFTER}, "search": {"n_rounds": 0}}
    settings = LearnerConfig.model_validate(config)
    settings = method_named(settings.method).configured(settings).changed(length)
    sizes = (world.records.profiles.shape[1], world.records.history_length)
    learner = method_named(settings.method).fresh(world.catalogue, *sizes, settings, 0)
    began = 0.0
    with ExitStack() as stack:

        def mark(iteration: int, _: object) -> None:
            nonlocal began
            if iteration == WARM_UP:
                stack.enter_context(_watched(spent, watched))
                began = time.process_time()

        train(learner, world.environment, world.records, settings, 0, Hooks(progress=mark))
        return time.process_time() - began


@contextmanager
def _watched(spent: dict[str, float], watched: Parts) -> Iterator[None]:
    """Time the parts while the block runs."""
    with ExitStack() as stack:
        for part, (owner, name) in watched.items():
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


def two_processes(config: Mapping[str, Any], n: int) -> float:
    """CPU seconds that two seeds as processes take for ``n`` iterations together."""
    return sum(run_parallel(_in_a_process, [(dict(config), n // 2)] * 2, 2, lambda *_: None))


def _in_a_process(job: tuple[dict[str, Any], int], _: object) -> float:
    config, n = job
    return ours(random_world(0), config, n)

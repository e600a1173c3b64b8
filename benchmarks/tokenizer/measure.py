"""CPU seconds and peak memory of a piece of work, in a process of its own."""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a piece of work gave and took.

    Attributes:
        result: what it returned; small, it travels between processes.
        cpu_seconds: user and system time of the timed part, all threads.
        wall_seconds: of the timed part.
        peak_mb: largest anonymous plus file-backed resident memory of the process.
    """

    result: Any
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def measured(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Measured:
    """Run ``prepare(*arguments)`` untimed in a new process, then time what it returned."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, prepare, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError as error:
        process.join()
        raise RuntimeError(f"{prepare.__name__} ended with exit code {process.exitcode}") from error
    finally:
        process.join()


def _work(sender: Any, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    timed = prepare(*arguments)
    cpu, wall = time.process_time(), time.monotonic()
    result = timed()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    sender.send(Measured(result, cpu, wall, _peak_mb()))


def _peak_mb() -> float:
    """High-water mark of this process alone; getrusage would inherit that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

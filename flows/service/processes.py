"""Ending a child with everything that it has started."""

import os
import signal
import subprocess
import time
from contextlib import suppress

# How long a child has to end by itself, after each signal.
PATIENCE_SECONDS = 15.0
_POLL_SECONDS = 0.1


def stop_tree(child: subprocess.Popen[bytes], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Ask a child to end, then whatever it leaves; kill what does not end in time. Nothing of its tree is alive afterwards.

    Prefect's worker, where it was started with SIGINT ignored, takes the second SIGTERM only.
    """
    tree = descendants(child.pid)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            break
        tree |= descendants(child.pid)
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_seconds)
    left = {pid for pid in tree if is_running(pid)}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        left = _wait_for(left, patience_seconds)
        if not left:
            return


def descendants(pid: int) -> set[int]:
    """The children of a process, theirs, and so on, as `ps` lists them; without itself."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout  # noqa: S607
    parent_of = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parent_of.items() if parent in fresh} - found
        found |= fresh
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waits for its parent to read its exit code."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603, S607
    return bool(listed) and not listed.startswith("Z")


def _wait_for(pids: set[int], seconds: float) -> set[int]:
    """Those that are still running after so long."""
    give_up_at = time.monotonic() + seconds
    while pids and time.monotonic() < give_up_at:
        time.sleep(_POLL_SECONDS)
        pids = {pid for pid in pids if is_running(pid)}
    return pids

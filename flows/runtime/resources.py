"""What this process has cost so far, and which version of the code it runs."""

import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def own_cpu_seconds() -> float:
    """User and system time of this process, all threads, without its children."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def total_cpu_seconds() -> float:
    """User and system time of this process and of those of its children that have ended."""
    return own_cpu_seconds() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB of 2²⁰ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, kilobytes elsewhere
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10, 1)


def code_version() -> str:
    """The package's version and, from a checkout, its commit; ``+`` marks uncommitted changes."""
    outputs: list[str] = []
    root = Path(__file__).resolve().parents[2]
    for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no")):
        try:
            git = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
        except (OSError, subprocess.CalledProcessError):
            return version("hsrl")  # no checkout: an export of the sources
        outputs.append(git.stdout.strip())
    commit, changes = outputs
    return f"{version('hsrl')}-{commit}{'+' if changes else ''}"

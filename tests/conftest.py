"""What all tests share; help that is more than a fixture lies in tests/support."""

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.logs import Log

# Cores are shared with other work: a deadline would measure them, not the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
# DuckDB takes its number of threads from this variable before it asks the machine, in every process that a test starts as well. Two
# threads on tables of a thousand rows wait for one another: a night of the small feed takes 4 CPU seconds with two and 2.5 with one.
# That their number changes no row is a test of its own: tests/flows/refresh/test_threads.py.
DUCKDB_THREADS = "SLURM_CPUS_ON_NODE"
os.environ[DUCKDB_THREADS] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never among what was collected: thousands of tests and all modules stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a file goes to one process whole, and a long one that begins last leaves the other idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def log(tmp_path: Path) -> "Log":
    """A small log without any file yet."""
    from tests.support.logs import Log  # flows are slow to import, and most tests need none

    return Log(tmp_path)

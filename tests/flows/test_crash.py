"""Six SIGKILLs at random moments of a refresh; benchmarks/crash.py does a hundred, of a retrain too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_killed_refresh_harms_no_reader_is_completed_by_a_rerun_and_leaves_nothing_behind() -> None:
    """The script compares the rows of every table with those of an unbroken run, and looks for orphans."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.crash", "--kills", "6", "--seed", "7", "--refresh-only"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]

"""What a night costs by stage, and what the warehouse weighs after it: for benchmarks.scale.

    python -m benchmarks.night_costs COSTS.json refresh --config my.toml --warehouse w

runs `hsrl` with the arguments that follow and writes for each stage its CPU seconds (all threads) and the largest resident memory
while it lasted, which Linux counts anew on request.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from flows.runtime.resources import own_cpu_seconds
from flows.runtime.run import Run, Tick

MB = 1 << 20
_KB_A_MB = 1 << 10
_OF_ALL = "all"


def peak_mb() -> float:
    """Largest resident memory since ``forget_peak``, MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / _KB_A_MB


def forget_peak() -> None:
    """Have the largest memory counted from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def run_measured(arguments: list[str]) -> dict[str, tuple[float, float]]:
    """Run the command ``hsrl`` in this process: stage → its CPU seconds and largest memory in MB; ``all`` is the whole run."""
    costs: dict[str, tuple[float, float]] = {}
    stage_of_run = Run.stage

    @contextmanager
    def stage(run: Run, name: str) -> Iterator[Tick]:
        before = own_cpu_seconds()
        forget_peak()
        with stage_of_run(run, name) as tick:
            yield tick
        costs[name] = (own_cpu_seconds() - before, peak_mb())

    Run.stage = stage  # type: ignore[method-assign]
    from flows.cli.app import main

    sys.argv = ["hsrl", *arguments]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    costs[_OF_ALL] = (own_cpu_seconds(), max(memory for _, memory in costs.values()))
    return costs


def disk_mb(root: Path) -> dict[str, float]:
    """MB of the files of a warehouse: of each table, the user states, the other artifacts and the catalogue."""
    parts = {
        "events": [root / "data/main/events"],
        "records": [root / "data/main/record_rows"],
        "users and splits": [root / "data/main/users", root / "data/main/splits"],
        "user states": [root / "artifacts/user_state"],
        "catalogue": [root / "catalog.sqlite"],
    }
    return {name: sum(map(_bytes_under, paths)) / MB for name, paths in parts.items()} | {_OF_ALL: _bytes_under(root) / MB}


def catalogue_rows(root: Path) -> dict[str, int]:
    """Rows of the catalogue: of its data files, of what it notes of their columns, and of all its tables."""
    with closing(sqlite3.connect(f"file:{root / 'catalog.sqlite'}?mode=ro", uri=True)) as catalogue:
        names = [name for (name,) in catalogue.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: int(catalogue.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
    return {
        "files": counts["ducklake_data_file"],
        "columns of files": counts["ducklake_file_column_stats"],
        _OF_ALL: sum(counts.values()),
    }


def _bytes_under(path: Path) -> int:
    """Bytes on disk; a file under two names counts once, a path that is not there as nothing."""
    files = {path: 0} if path.is_file() else dict.fromkeys(path.rglob("*"), 0)
    found: dict[int, int] = {}
    for file in files:
        with suppress(FileNotFoundError):
            status = file.lstat()
            found[status.st_ino] = status.st_blocks * 512 if file.is_file() else 0
    return sum(found.values())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(run_measured(sys.argv[2:])))

"""Sixty simulated nights by Prefect schedules in fast-forward: two months of what goes wrong, and what SQL says after each.

    python -m benchmarks.sixty --before COMMIT --out PAGE

Each night a day of a shop's log arrives, the schedule of `daily-refresh` comes due, Prefect's worker runs it and the retrain that
follows; `gc` and `verify` run every week. Nights of misfortune are in ``plan.py``. The first three nights are those of an earlier
version of the project (``--before``), by hand, whose warehouse is then migrated. After every night, by SQL: the events are exactly the rows
handed over, no user's events or records are counted twice, every active item has a Semantic ID or a reason, Semantic IDs stay as
promised. At the end `hsrl verify`, and a warehouse made from the same files at once holds the same events.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from benchmarks.sixty.checks import Checks
from benchmarks.sixty.log import ALERTS, SETTINGS, RawLog
from benchmarks.sixty.plan import Nights
from benchmarks.sixty.report import report
from benchmarks.sixty.schedules import Service

HERE = Path(__file__).parents[2]


def checkout(commit: str, folder: Path) -> Path:
    """The project as it was at a commit."""
    packed = subprocess.run(["git", "archive", commit], cwd=HERE, capture_output=True, check=True).stdout  # noqa: S603, S607
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--before", help="commit of the version that makes the first three nights; else there is no upgrade")
    parser.add_argument("--out", type=Path, help="a Markdown page; the morning page goes beside it as .html")
    parser.add_argument("--home", type=Path, help="scratch folder that stays; else a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hsrl-sixty-") as scratch:
        home = arguments.home or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        load = os.getloadavg()[0]
        log = RawLog.of(home / "raw", arguments.users, arguments.nights)
        config, notices = home / "shop.toml", home / "notices.jsonl"
        alerts = "" if arguments.before else ALERTS.format(python=sys.executable, notices=notices)
        config.write_text(SETTINGS.format(raw=log.folder) + alerts)
        code = checkout(arguments.before, home / "code") if arguments.before else HERE
        service = Service(code, home, config, home / "disk" / "warehouse", home / "up.log")

        def write_page(played: Nights) -> None:
            """After every night, so that a run that is cut short shows what it saw."""
            if arguments.out:
                arguments.out.write_text(report(played, load))

        nights = Nights(service, log, Checks(service.root, log), HERE, notices, arguments.nights, write_page)
        try:
            nights.play()
        finally:
            nights.close()
            write_page(nights)
            print(report(nights, load))
            if arguments.out:
                service.hsrl("report", "--html", arguments.out.with_suffix(".html"), "--warehouse", service.root)
    sys.exit(1 if nights.faults else 0)


if __name__ == "__main__":
    main()

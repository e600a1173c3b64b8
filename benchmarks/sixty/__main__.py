"""Sixty simulated nights by Prefect schedules in fast-forward: two months of what goes wrong, and what SQL says after each.

    python -m benchmarks.sixty --before COMMIT --out PAGE

Each night a day of a shop's log arrives, the schedule of `daily-refresh` comes due, Prefect's worker runs it and the retrain that
follows; `gc` and `verify` run every week. Nights of misfortune are in ``plan.py``. The first three nights are those of an earlier
version of the project (``--before``), by hand, whose warehouse is then migrated. After every night, by SQL: the events are exactly the rows
handed over, no user's events or records are counted twice, every active item has a Semantic ID or a reason, Semantic IDs stay as
promised. At the end `hsrl verify`, and a warehouse made from the same files at once holds the same events. `touch DIR/enough` makes the
night at work the last.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from benchmarks.pages import out_file
from benchmarks.sixty.checks import Checks
from benchmarks.sixty.log import SETTINGS, SINCE, RawLog
from benchmarks.sixty.night import Played
from benchmarks.sixty.plan import Nights
from benchmarks.sixty.report import report
from benchmarks.sixty.schedules import Service
from flows.runtime.resources import code_version

HERE = Path(__file__).parents[2]


def checkout(commit: str, folder: Path) -> Path:
    """The project as it was at a commit."""
    packed = subprocess.run(["git", "archive", commit], cwd=HERE, capture_output=True, check=True).stdout  # noqa: S603, S607
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _begun(arguments: argparse.Namespace) -> Played:
    """How the nights are run; none is over."""
    before = f" --before {arguments.before}" if arguments.before else ""
    folders = " --home DIR --out PAGE"  # those of a machine are its own affair
    return Played(
        command=f"python -m benchmarks.sixty --nights {arguments.nights} --users {arguments.users}{before}{folders}",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        version=code_version(),
        python=sys.version.split()[0],
        n_cores=os.cpu_count() or 1,
        load=(os.getloadavg()[0],) * 2,
        n_nights=arguments.nights,
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--before", help="commit of the version that makes the first three nights; else there is no upgrade")
    parser.add_argument("--out", type=out_file, help="a Markdown page; the morning page goes beside it as .html")
    parser.add_argument("--home", type=Path, help="scratch folder that stays; else a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hsrl-sixty-") as scratch:
        home = arguments.home or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        log = RawLog.of(home / "raw", arguments.users, arguments.nights)
        config, notices = home / "shop.toml", home / "notices.jsonl"
        since = "" if arguments.before else SINCE.format(python=sys.executable, notices=notices)
        config.write_text(SETTINGS.format(raw=log.folder) + since)
        code = checkout(arguments.before, home / "code") if arguments.before else HERE
        service = Service(code, home, config, home / "disk" / "warehouse", home / "up.log")

        played = _begun(arguments)

        def keep(nights: Nights) -> None:
            """After every night, so that a run that is cut short shows what it saw."""
            played.seen, played.faults, played.n_notices = nights.seen, nights.faults, nights.n_notices()
            played.load, played.is_whole = (played.load[0], os.getloadavg()[0]), nights.is_whole
            played.save(home / "nights.json")
            if arguments.out:
                arguments.out.write_text(report(played))

        nights = Nights(service, log, Checks(service.root, log), HERE, notices, arguments.nights, keep)
        try:
            nights.play()
        finally:
            nights.close()
            keep(nights)
            print(report(played))
            if arguments.out:
                service.hsrl("report", "--html", arguments.out.with_suffix(".html"), "--warehouse", service.root)
    sys.exit(1 if nights.faults else 0)


if __name__ == "__main__":
    main()

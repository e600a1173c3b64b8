"""The sixty nights one by one, and what goes wrong on which."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sixty.checks import N_CHECKED, Checks, events_of
from benchmarks.sixty.log import SHIFT, SINCE, RawLog, night_of
from benchmarks.sixty.night import Night
from benchmarks.sixty.schedules import Service, pass_a_day, wait_until

DISK_BYTES = 1500 << 20
LATE_BY = 3  # nights
ENOUGH = "enough"  # a file of that name in the scratch folder makes the night at work the last
# All that goes wrong comes in the first weeks, every second night, so that many nights of a warehouse that went through it follow.
FIRST_MISFORTUNE, BETWEEN, GC_KILLED = 4, 2, 14
FORGOTTEN = SHIFT + 5


@dataclass
class Nights:
    """Plays the nights.

    Attributes:
        service: what runs them.
        log: the raw files.
        checks: what SQL must say.
        head: the checkout of this version.
        notices: file that the notices of hsrl are written into, one a line.
        n_nights: how many.
        after_night: called when a night is over.
        faults: what was wrong, by night; empty = everything was as promised.
        seen: what each night showed.
        is_whole: whether all are over and what must hold of the whole was looked at.
    """

    service: Service
    log: RawLog
    checks: Checks
    head: Path
    notices: Path
    n_nights: int
    after_night: Callable[["Nights"], None]
    faults: list[str] = field(default_factory=list)
    seen: list[Night] = field(default_factory=list)
    is_whole: bool = False
    n_bad_days: int = 0
    moments: random.Random = field(default_factory=lambda: random.Random(60))  # noqa: S311 of death

    def play(self) -> None:
        """All of them, then what must hold of the whole."""
        self._mount()
        if self.service.code == self.head:
            self._start()
        for day in range(self.n_nights):
            began = time.monotonic()
            night = Night(night_of(self.log.world, day))
            self.seen.append(night)
            try:
                self._night(day, night)
            except Exception as error:  # noqa: BLE001 a night that is not over tells of itself, and the nights go on
                self._fault(f"{type(error).__name__}: {error}")
            night.seconds = time.monotonic() - began
            print(day + 1, night, flush=True)
            self.after_night(self)
            pass_a_day(self.service.root)
            if (self.service.home / ENOUGH).exists():
                break
        self.service.stop()
        self._whole()
        self.is_whole = True
        self.after_night(self)

    def close(self) -> None:
        """Stop and unmount whatever is left."""
        if self.service.process is not None and self.service.process.poll() is None:
            self.service.stop()

    def _night(self, day: int, night: Night) -> None:
        number = day + 1
        is_head = self.service.code == self.head  # late rows are refused by the version before
        self.log.hand_over(day, keeps_back=number % 7 == 2 and is_head)
        self.n_bad_days += 1
        if day - LATE_BY in self.log.kept_back:
            n_late = self.log.hand_over_late(day - LATE_BY)
            night.happened.append(f"{n_late} rows of {LATE_BY} days ago came late")
        plan: dict[int, Callable[[int, Night], None]] = self._misfortunes()
        (plan.get(number) or self._as_usual)(day, night)
        if number % 7 == 0 and is_head:
            self._upkeep(number, night)
        self._look(night)

    def _misfortunes(self) -> dict[int, Callable[[int, Night], None]]:
        in_order = (
            self._upgrade, self._poisoned, self._refused_by_an_audit, self._rollback, self._refresh_killed,
            self._retrain_killed, self._worker_killed, self._full_disk, self._forget, self._restore,
        )  # fmt: skip
        return {FIRST_MISFORTUNE + BETWEEN * number: play for number, play in enumerate(in_order)}

    def _as_usual(self, day: int, night: Night) -> None:
        """A refresh that succeeds and the retrain after it; by hand while the earlier version runs, which had no schedules worth it."""
        if self.service.code != self.head:
            for words in ("refresh", "retrain"):
                self._command(words, "--config", str(self.service.config))
                night.states.append("BY HAND")
            return
        refreshed = self._run(night, "daily-refresh", "COMPLETED")
        retrained = self.service.ended(self.service.follower(refreshed["created"]))
        self._expect(night, retrained, "COMPLETED")

    def _run(self, night: Night, name: str, state: str) -> dict[str, Any]:
        run = self.service.ended(self.service.fire(name))
        self._expect(night, run, state)
        return run

    def _expect(self, night: Night, run: dict[str, Any], state: str) -> None:
        night.states.append(run["state_type"])
        if run["state_type"] != state:
            self._fault(f"run {run['name']} ended {run['state_type']}, expected {state}: {(run['state'] or {}).get('message')}")

    def _look(self, night: Night) -> None:
        broken = self.checks.faults(self.n_bad_days)
        night.n_checked, night.n_broken = N_CHECKED, len(broken)
        for fault in broken:
            self._fault(fault)
        refreshed, retrained = self.checks.last_run("daily-refresh"), self.checks.last_run("nightly-retrain")
        night.cpu_seconds = (float(refreshed["cpu_seconds"] or 0), float(retrained["cpu_seconds"] or 0))  # type: ignore[arg-type]
        night.megabytes, night.catalogue_rows = self.checks.sizes(), self.checks.catalogue_rows()
        night.n_rows, night.kept = events_of(self.service.root)[0], self.checks.kept()
        night.explained = self.checks.explained()

    # What goes wrong.

    def _upgrade(self, day: int, night: Night) -> None:
        if self.service.code == self.head:
            self._as_usual(day, night)
            return
        night.happened.append("upgrade: refused until the warehouse was migrated")
        self.service.code = self.head
        refused = self.service.hsrl("refresh", "--config", self.service.config, "--warehouse", self.service.root)
        if refused.returncode != 2 or "hsrl migrate" not in refused.stderr:
            self._fault(f"a warehouse of the earlier version was not refused: {refused.stderr[-300:]}")
        self._command("migrate", "--dry-run")
        self._command("migrate")
        with self.service.config.open("a") as config:
            config.write(SINCE.format(python=sys.executable, notices=self.notices))
        self._start()
        self._as_usual(day, night)

    def _poisoned(self, day: int, night: Night) -> None:
        night.happened.append("a third of the day's times were no times: refused until the file was mended")
        self._refused(day, night, "words", "times")

    def _refused_by_an_audit(self, day: int, night: Night) -> None:
        night.happened.append("a day without a click: refused by the audit delivery_drift until the file was mended")
        self._refused(day, night, "silence", "delivery_drift")

    def _refused(self, day: int, night: Night, poison: str, word: str) -> None:
        sound = self.log.file_of(day).read_bytes()
        self.log.hand_over_poisoned(day, poison)
        n_notices = self.n_notices()
        failed = self._run(night, "daily-refresh", "FAILED")
        message = (failed["state"] or {}).get("message") or ""
        if poison == "silence" and word not in message:
            self._fault(f"the refusal does not name {word}: {message}")
        wait_until(lambda: self.n_notices() > n_notices, "a notice of the refusal", 30)
        self.log.file_of(day).write_bytes(sound)
        self._as_usual(day, night)

    def _rollback(self, day: int, night: Night) -> None:
        self._as_usual(day, night)
        release = self.checks.last_release()
        night.happened.append(f"rolled back from release {release} to {release - 3}, and on with what came since")
        self._command("rollback", str(release - 3))
        self._as_usual(day, night)

    def _refresh_killed(self, day: int, night: Night) -> None:
        night.happened.append("the refresh was killed at work")
        self._killed(night, self.service.fire("daily-refresh"), 2.0)
        self._as_usual(day, night)

    def _retrain_killed(self, day: int, night: Night) -> None:
        night.happened.append("the retrain was killed at work")
        refreshed = self._run(night, "daily-refresh", "COMPLETED")
        self._killed(night, self.service.follower(refreshed["created"]), 4.0)
        self._as_usual(day, night)

    def _killed(self, night: Night, run: dict[str, Any], after: float) -> None:
        n_notices = self.n_notices()
        wait_until(lambda: bool(self.service.processes_at_work(run)), f"processes of {run['name']}", 60)
        time.sleep(after * self.moments.uniform(0.5, 2.0))
        for pid in self.service.processes_at_work(run):
            os.kill(pid, signal.SIGKILL)
        self._expect(night, self.service.ended(run, 120), "CRASHED")
        wait_until(lambda: self.n_notices() > n_notices, "a notice of the crash", 60)

    def _worker_killed(self, day: int, night: Night) -> None:
        night.happened.append("the worker was killed under a refresh: hsrl up ended, and was begun again")
        self.service.fire("daily-refresh")
        time.sleep(3)
        os.kill(self.service.worker(), signal.SIGKILL)
        assert self.service.process is not None
        code = self.service.process.wait(120)
        if code != 1:
            self._fault(f"hsrl up ended with {code} after its worker was killed, expected 1")
        self.service.stop()
        self._start()
        self._as_usual(day, night)

    def _full_disk(self, day: int, night: Night) -> None:
        if not os.path.ismount(self.service.root.parent):
            night.happened.append("the disk was not filled: no file system could be mounted here")
            self._as_usual(day, night)
            return
        night.happened.append("the disk was full: refused until there was room")
        ballast = self.service.root.parent / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(ballast.parent).free - 100_000)
        failed = self._run(night, "daily-refresh", "FAILED")
        if "space" not in str(failed["state"]) and "disk" not in str(failed["state"]):
            self._fault(f"the refusal does not name the disk: {failed['state']}")
        ballast.unlink()
        self._as_usual(day, night)

    def _forget(self, day: int, night: Night) -> None:
        night.happened.append("a user was forgotten")
        self._command("forget", "--user", str(FORGOTTEN), "--config", str(self.service.config))
        self.log.forgotten.add(FORGOTTEN)
        self._as_usual(day, night)

    def _restore(self, day: int, night: Night) -> None:
        root = self.service.root
        night.happened.append(
            "the catalogue and its copies were lost, and those of the night before put back under data of today"
        )
        kept = {
            name: (root / name).read_bytes()
            for name in ("catalog.sqlite", "readers.sqlite", "readers.json")
            if (root / name).exists()
        }
        backup = self.service.home / "readers-of-yesterday"
        shutil.copytree(root / "readers", backup)
        self._as_usual(day, night)
        for path in root.glob("catalog.sqlite*"):
            path.unlink()
        shutil.rmtree(root / "readers")
        shutil.copytree(backup, root / "readers")
        for name, content in kept.items():
            (root / name).unlink(missing_ok=True)
            (root / name).write_bytes(content)
        self._as_usual(day, night)

    def _upkeep(self, number: int, night: Night) -> None:
        night.has_upkeep = True
        if number == GC_KILLED:
            night.happened.append("the gc was killed at work")
            self._killed(night, self.service.fire("gc"), 1.0)
        self._run(night, "gc", "COMPLETED")
        self._run(night, "verify", "COMPLETED")

    # What must hold of the whole.

    def _whole(self) -> None:
        root = self.service.root
        self._command("verify")
        again = self.service.home / "again"
        self.log.list_all_items(len(self.seen) - 1)
        # A late file by itself looks like a broken export, as nothing that came before tells what is usual.
        made = self.service.hsrl("refresh", "--config", self.service.config, "--warehouse", again, "--accept", "delivery_drift")
        if made.returncode:
            self._fault(f"a warehouse of all files at once was not made: {made.stderr[-300:]}")
            return
        forgotten = self.service.hsrl("forget", "--user", FORGOTTEN, "--config", self.service.config, "--warehouse", again)
        if forgotten.returncode:
            self._fault(f"the user was not forgotten again: {forgotten.stderr[-300:]}")
        if events_of(again) != events_of(root):
            self._fault(f"all files at once make {events_of(again)[0]:,} events, the nights made {events_of(root)[0]:,}")

    def _command(self, *words: str) -> None:
        done = self.service.hsrl(*words, "--warehouse", self.service.root)
        if done.returncode:
            self._fault(f"hsrl {' '.join(words)} ended with {done.returncode}: {done.stderr[-300:]}")

    def _start(self) -> None:
        """Sixty nights pass in hours, so what is kept is told by number and not by age."""
        self.service.start()
        self.service.set_parameters("gc", {"keep_days": 0.0, "keep_releases": 8, "resume_days": 0.0})

    def _mount(self) -> None:
        """A file system of its own, which can be full; where none can be mounted, that night is as usual and says so."""
        disk = self.service.root.parent
        disk.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disk)]
        subprocess.run(words, capture_output=True, check=False)  # noqa: S603

    def n_notices(self) -> int:
        """Notices that hsrl has sent so far."""
        return len(self.notices.read_text().splitlines()) if self.notices.exists() else 0

    def _fault(self, what: str) -> None:
        line = f"night {len(self.seen)}: {what}"
        self.faults.append(line)
        print(f"FAULT {line}", flush=True)

"""`hsrl up` of some version of the project, and a Prefect whose schedules fire when the next simulated night is due."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.service.processes import descendants, is_running
from flows.service.server import found_by as asked_once
from pipeline.warehouse.readers import numbered_copies

_POLL_SECONDS = 0.5
_NIGHT_SECONDS = 600.0
_ATTEMPTS = 20
_DAY_SECONDS = 86_400.0
_AHEAD_SECONDS = 5.0  # a run that is due is only made before its time
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass
class Service:
    """A running `hsrl up`.

    Attributes:
        code: the checkout that runs; nights before the upgrade are those of an earlier one.
        home: scratch folder; Prefect's database lies there, so that schedules and runs outlive a restart.
        config: the configuration.
        root: the warehouse.
        log: what `hsrl up` and its flow runs print.
    """

    code: Path
    home: Path
    config: Path
    root: Path
    log: Path
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: the code, that server, and polling quick enough for nights of a minute."""
        return {
            **os.environ,
            "PYTHONPATH": str(self.code),
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> None:
        """Begin, and wait until nights are scheduled and the worker waits for them."""
        words = ["up", "--config", self.config, "--warehouse", self.root, "--port", self.port]
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as printed:
            self.process = subprocess.Popen(  # noqa: S603
                self._command(*words), env=self.environment, stdout=printed, stderr=printed, cwd=self.code
            )

        def is_up() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"hsrl up ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            text = self.log.read_text()[before:]
            return "nights are scheduled" in text and "started!" in text

        wait_until(is_up, "hsrl up", 240)

    def stop(self) -> None:
        """End it as Ctrl-C does; nothing of it may be left."""
        assert self.process is not None
        children = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(120)
        left = {child for child in children if is_running(child)}
        if left:
            raise RuntimeError(f"hsrl up left {len(left)} processes")

    def hsrl(self, *words: object) -> subprocess.CompletedProcess[str]:
        """A command, as a person types it."""
        return subprocess.run(  # noqa: S603
            self._command(*words), env=self.environment, capture_output=True, text=True, check=False, cwd=self.code
        )

    def fire(self, name: str) -> dict[str, Any]:
        """Let the schedule of a deployment come due, and wait until the run that Prefect makes for it has begun."""
        due = datetime.now(UTC) + timedelta(seconds=_AHEAD_SECONDS)
        deployment = self._deployment(name)
        schedule = {"interval": 86_400, "anchor_date": due.isoformat(), "timezone": "UTC"}
        [known] = deployment["schedules"]
        self._send("PATCH", f"deployments/{deployment['id']}/schedules/{known['id']}", {"active": True, "schedule": schedule})
        found: list[dict[str, Any]] = []

        def has_begun() -> bool:
            found[:] = [
                run for run in self.runs(name) if "auto-scheduled" in run["tags"] and _is_of(run, due) and run["start_time"]
            ]
            return bool(found)

        wait_until(has_begun, f"the schedule of {name}", 120)
        return found[0]

    def set_parameters(self, name: str, parameters: dict[str, Any]) -> None:
        """Give a deployment other parameters."""
        deployment = self._deployment(name)
        self._send("PATCH", f"deployments/{deployment['id']}", {"parameters": deployment["parameters"] | parameters})

    def ended(self, run: dict[str, Any], seconds: float = _NIGHT_SECONDS) -> dict[str, Any]:
        """The same run when it has ended."""
        found: list[dict[str, Any]] = []

        def has_ended() -> bool:
            found[:] = found_by(self.api, "flow_runs", {"flow_runs": {"id": {"any_": [run["id"]]}}})
            return found[0]["state_type"] in ENDED

        wait_until(has_ended, f"run {run['name']}", seconds)
        return found[0]

    def follower(self, since: str) -> dict[str, Any]:
        """The retrain that Prefect began after a refresh that succeeded, created since a time."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [run for run in self.runs("nightly-retrain") if run["created"] > since and run["start_time"]]
            return bool(found)

        wait_until(is_there, "the retrain after the refresh", 120)
        return found[0]

    def runs(self, name: str) -> list[dict[str, Any]]:
        """The newest flow runs of a deployment."""
        wanted = {"deployments": {"id": {"any_": [self._deployment(name)["id"]]}}, "limit": 20, "sort": "START_TIME_DESC"}
        return found_by(self.api, "flow_runs", wanted)

    def processes_at_work(self, run: dict[str, Any]) -> set[int]:
        """The processes of a flow run: those that its worker started, which name the run in their environment."""
        assert self.process is not None
        return {pid for pid in descendants(self.process.pid) if run["id"] in _environment_of(pid)}

    def worker(self) -> int:
        """The worker's process."""
        assert self.process is not None
        [found] = [pid for pid in descendants(self.process.pid) if "worker" in _words_of(pid) and "start" in _words_of(pid)]
        return found

    def _deployment(self, name: str) -> dict[str, Any]:
        return next(found for found in found_by(self.api, "deployments", {}) if found["name"] == name)

    def _send(self, method: str, path: str, content: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 our own server
            f"{self.api}/{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}, method=method
        )

        def ask() -> dict[str, Any]:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]

        return _insist(ask)  # type: ignore[no-any-return]

    @staticmethod
    def _command(*words: object) -> list[str]:
        return [sys.executable, "-c", "from flows.cli.app import main; main()", *map(str, words)]


def pass_a_day(root: Path) -> None:
    """Make the copies for readers a day older, as nights of a minute would let none grow old enough to go."""
    for copy in numbered_copies(root):
        seen = copy.stat()
        os.utime(copy, (seen.st_atime - _DAY_SECONDS, seen.st_mtime - _DAY_SECONDS))


def found_by(api: str, what: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """What the server finds; asked again where its SQLite is busy, as Prefect's own client does."""
    return _insist(lambda: asked_once(api, what, question))


def _insist(ask: Callable[[], Any]) -> Any:
    for _ in range(_ATTEMPTS):
        try:
            return ask()
        except urllib.error.HTTPError as error:
            if error.code != http.client.SERVICE_UNAVAILABLE:
                raise
            time.sleep(1)
    return ask()


def wait_until(is_so: Callable[[], bool], what: str, seconds: float) -> None:
    """Ask again and again.

    Raises:
        TimeoutError: it was not so in time.
    """
    give_up_at = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what}: not so after {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)


def _is_of(run: dict[str, Any], due: datetime) -> bool:
    expected = datetime.fromisoformat(run["expected_start_time"])
    return abs((expected - due).total_seconds()) < 1


def _environment_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _words_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

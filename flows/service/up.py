"""`hsrl up`: a Prefect server, its pool, its limit, the deployments, and a worker, as children of one process that stops them all."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.runtime.extras import needs
from flows.runtime.settings import load_settings
from flows.service.checks import ROOT, is_installed
from flows.service.processes import descendants, stop_tree
from flows.service.server import exists, found_by, is_healthy, post, warehouses_of
from pipeline.errors import ConfigError, HsrlError

POOL, LIMIT = "local", "hsrl-writer"
# The first start makes the server's database.
_START_SECONDS = 180.0
_COMMAND_SECONDS = 180.0
_POLL_SECONDS = 0.5
# Two warehouses on a machine: Prefect keeps all deployments of a folder in one database, whatever the port.
_APART = "give each a PREFECT_HOME and a --port of its own"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = 4200

    @property
    def url(self) -> str:
        """Of the server's pages, as this machine reaches it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 only compared
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def api(self) -> str:
        """Of its API."""
        return f"{self.url}/api"


class _Stopped(Exception):  # noqa: N818 it is no error
    """A signal asked for the end."""


def up(config: Path | None, root: Path, place: Place, say: Say) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP; stop the worker with its flow runs first, the server last.

    A server that answers there already is used and left as it is.

    Args:
        config: the configuration's file; None = HSRL_CONFIG.
        root: the warehouse's folder.
        place: where the server listens.
        say: prints a line.

    Returns:
        0 after a signal, 1 where the server or the worker ended by itself.

    Raises:
        ConfigError: the configuration is refused, hsrl is not run from a checkout, Prefect is not installed, or a server that answers
            already runs the nights of another warehouse.
        HsrlError: the server did not come up, or refused a deployment.
    """
    if not (ROOT / "prefect.yaml").is_file():
        raise ConfigError(
            f"{ROOT}: there is no prefect.yaml; hsrl up is run from a checkout of the project (pip install -e '.[flows]')"
        )
    if not is_installed("prefect"):
        raise ConfigError(needs("hsrl up", "flows"))
    load_settings(config, root)
    chosen = config or Path(os.environ["HSRL_CONFIG"])
    environment = environment_of(os.environ, place)
    stopping = threading.Event()
    children: list[subprocess.Popen[bytes]] = []
    with _signals_set(stopping):
        try:
            server = None
            if is_healthy(place.api):
                _refuse_anothers(place, root)
                say(f"a server answers at {place.url} already and is used")
            else:
                say(f"starting the server at {place.url} …")
                server = _start(children, environment, "server", "start", "--host", place.host, "--port", str(place.port))
                _wait_until_healthy(server, place, stopping)
                for other in _other_warehouses(place, root):
                    say(f"the nights of {other} end: this server's database has them, and from now on those of {root}; {_APART}")
            _prepare(place, environment, stopping, chosen.absolute(), root)
            worker = _start(children, environment, "worker", "start", "--pool", POOL, "--name", f"hsrl-{os.uname().nodename}")
            say(f"nights are scheduled; see {place.url}; stop with Ctrl-C")
            say(f"one now, from the project's folder: PREFECT_API_URL={place.api} prefect deployment run daily-refresh")
            return _watch(stopping, {"server": server, "worker": worker}, say)
        except _Stopped:
            return 0
        finally:
            for child in reversed(children):
                tree = descendants(child.pid)
                stop_tree(child)
                _tell_of_stopped(place, tree, say)
            say("stopped")


def environment_of(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    """Of every child: that server, no report to Prefect's makers, and bare names of deployments.

    The server keeps leases of slots on disk: in memory, where it has them else, they are lost when it ends, and a slot that a dead run
    held would never be free again.
    """
    return {
        **environment,
        "PREFECT_API_URL": place.api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_PLUGINS_ENABLED": "true",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


def deployments_for(text: str, config: Path, root: Path) -> str:
    """prefect.yaml with the configuration and the warehouse of this machine in every deployment."""
    content: dict[str, Any] = yaml.safe_load(text)
    for deployment in content["deployments"]:
        deployment["parameters"] |= {"config": str(config), "warehouse": str(root)}
    return yaml.safe_dump(content, sort_keys=False)


def _prepare(place: Place, environment: Mapping[str, str], stopping: threading.Event, config: Path, root: Path) -> None:
    """Pool, limit and deployments; what is there already stays, deployments become those of prefect.yaml."""
    if not exists(place.api, f"work_pools/{POOL}"):
        _call(environment, stopping, "work-pool", "create", POOL, "--type", "process")
    if not exists(place.api, f"v2/concurrency_limits/{LIMIT}"):
        _call(environment, stopping, "gcl", "create", LIMIT, "--limit", "1")
    with tempfile.TemporaryDirectory(prefix="hsrl-up-") as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(deployments_for((ROOT / "prefect.yaml").read_text(encoding="utf-8"), config, root), encoding="utf-8")
        _call(environment, stopping, "--no-prompt", "deploy", "--all", "--prefect-file", str(file))


def _other_warehouses(place: Place, root: Path) -> list[str]:
    return [other for other in warehouses_of(found_by(place.api, "deployments", {"limit": 200})) if other != str(root.resolve())]


def _refuse_anothers(place: Place, root: Path) -> None:
    """Refuse a server that someone else keeps up with the nights of another warehouse, which would end without a word."""
    if others := _other_warehouses(place, root):
        raise ConfigError(
            f"the server at {place.url} runs the nights of {', '.join(others)}, expected none or those of {root}; stop it, or for both: {_APART}"
        )


def _program() -> str:
    return str(Path(sys.executable).with_name("prefect"))


def _start(children: list[subprocess.Popen[bytes]], environment: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    """A child in a session of its own, so that Ctrl-C reaches this process alone, which stops its children in order."""
    child = subprocess.Popen(  # noqa: S603
        [_program(), *words], env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    children.append(child)
    return child


def _call(environment: Mapping[str, str], stopping: threading.Event, *words: str) -> None:
    """Run a command of Prefect to its end.

    Raises:
        HsrlError: it failed; the line ends with what it said last.
    """
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(  # noqa: S603
            [_program(), *words], env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
            start_new_session=True,
        )  # fmt: skip
        give_up_at = time.monotonic() + _COMMAND_SECONDS
        while child.poll() is None:
            if stopping.wait(_POLL_SECONDS) or time.monotonic() > give_up_at:
                stop_tree(child)
                if stopping.is_set():
                    raise _Stopped
        if child.returncode:
            printed.seek(0)
            said = [line.strip() for line in printed.read().decode(errors="replace").splitlines() if line.strip()]
            raise HsrlError(f"prefect {' '.join(words)}: exit code {child.returncode}: {said[-1] if said else 'it said nothing'}")


def _wait_until_healthy(server: subprocess.Popen[bytes], place: Place, stopping: threading.Event) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not is_healthy(place.api):
        if stopping.wait(_POLL_SECONDS):
            raise _Stopped
        if server.poll() is not None:
            raise HsrlError(
                f"the Prefect server ended with exit code {server.returncode}; is port {place.port} taken? name another --port"
            )
        if time.monotonic() > give_up_at:
            raise HsrlError(
                f"the Prefect server did not answer at {place.url} within {_START_SECONDS:.0f} seconds; see its lines above"
            )


def _tell_of_stopped(place: Place, pids: set[int], say: Say) -> None:
    """Tell the server that runs in these processes ended: nobody else does, and else they would seem to run, and hold their slots."""
    try:
        running = found_by(place.api, "flow_runs", {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}})
        for run in running:
            if run["infrastructure_pid"] in {str(pid) for pid in pids}:
                state = {
                    "type": "CRASHED",
                    "name": "Crashed",
                    "message": "hsrl up was stopped; begun again it goes on from what is staged",
                }
                post(f"{place.api}/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
                say(f"stopped {run['name']} at work; begun again it goes on from what is staged")
    except (OSError, ValueError, http.client.HTTPException):
        return  # the server is the one that was stopped, or is gone


def _watch(stopping: threading.Event, children: Mapping[str, subprocess.Popen[bytes] | None], say: Say) -> int:
    while not stopping.wait(_POLL_SECONDS):
        for name, child in children.items():
            if child is not None and child.poll() is not None:
                say(f"the {name} ended with exit code {child.returncode}; its lines are above")
                return 1
    return 0


@contextmanager
def _signals_set(stopping: threading.Event) -> Iterator[None]:
    """SIGINT, SIGTERM and a closed terminal ask for the end while the block runs; a second one changes nothing: children are being stopped."""
    is_hup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup, which means it
    asking = (signal.SIGINT, signal.SIGTERM, *(() if is_hup_ignored else (signal.SIGHUP,)))
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in asking}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

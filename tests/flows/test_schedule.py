"""What README promises of Prefect: deploy, see the nights ahead, run one by its bare name."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.warehouse.adhoc import run_sql

ROOT = Path(__file__).parents[2]
PREFECT = Path(sys.executable).with_name("prefect")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of commands that talk to a server of its own: a whole one, as the test harness's schedules nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small_feed = {"HSRL_SOURCE__DAYS": "1", "HSRL_SOURCE__USERS": "200", "HSRL_SIDS__VOCABULARY": "8"}
    home = tmp_path_factory.mktemp("prefect")
    of_prefect = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    environment = {**os.environ, **small_feed, **of_prefect}
    command = [str(PREFECT), "server", "start", "--no-ui", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
    try:
        wait_until(lambda: is_healthy(of_prefect["PREFECT_API_URL"]), 120)
        yield environment
    finally:
        server.terminate()
        server.wait(30)


def is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 our own server
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], seconds: int) -> None:
    for _ in range(seconds):
        if is_so():
            return
        time.sleep(1)
    raise AssertionError(f"not so after {seconds} seconds")


def prefect(environment: dict[str, str], *words: str) -> str:
    """A command of stock Prefect, from the project's folder, as a person types it."""
    told = subprocess.run(
        [str(PREFECT), *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_deployed_nights_are_scheduled_and_one_runs_by_its_bare_name(environment: dict[str, str], tmp_path: Path) -> None:
    def runs() -> Counter[tuple[str, str]]:
        """As `prefect flow-run ls` lists them, asked of the server itself: to start the command takes seconds."""
        asked = urllib.request.Request(  # noqa: S310 our own server
            f"{environment['PREFECT_API_URL']}/flow_runs/filter", b'{"limit": 100}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            return Counter((run["state_type"], run["deployment_id"]) for run in json.load(answer))

    prefect(environment, "work-pool", "create", "local", "--type", "process")
    prefect(environment, "--no-prompt", "deploy", "--all")
    wait_until(lambda: len([0 for state, _ in runs() if state == "SCHEDULED"]) == 2, 60)
    listed = json.loads(prefect(environment, "flow-run", "ls", "--limit", "100", "-o", "json"))
    assert len({run["deployment_id"] for run in listed if run["state_type"] == "SCHEDULED"}) == 2
    prefect(environment, "deployment", "run", "daily-refresh", "--param", f"warehouse={tmp_path / 'warehouse'}")
    prefect(environment, "worker", "start", "--pool", "local", "--run-once")
    assert [count for (state, _), count in runs().items() if state == "COMPLETED"] == [1]
    assert run_sql(tmp_path / "warehouse", "select count(*) as n from releases").item() == 1

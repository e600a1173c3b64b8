"""Pieces of `hsrl up` that need no server; all of it together: tests/flows/test_schedule.py."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flows.service.checks import ROOT
from flows.service.processes import descendants, is_running, stop_tree
from flows.service.up import Place, _signals_set, deployments_for, environment_of
from tests.flows.conftest import Printed

# A parent with a child that ignores SIGTERM, as a hung flow run would.
STUBBORN = """
import signal, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"])
time.sleep(600)
"""


def test_nothing_of_a_stopped_child_is_left() -> None:
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"1\n", "the grandchild is there"
    tree = descendants(child.pid)
    assert len(tree) == 1
    stop_tree(child, patience_seconds=0.5)
    assert child.poll() is not None and not any(is_running(pid) for pid in tree)
    child.stdout.close()


def test_a_child_that_has_ended_may_be_stopped() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    stop_tree(child, patience_seconds=0.1)
    assert child.returncode == 0


def test_every_deployment_gets_this_machines_configuration_and_keeps_its_own_settings() -> None:
    text = (ROOT / "prefect.yaml").read_text()
    made = yaml.safe_load(deployments_for(text, Path("/c.toml"), Path("/w")))
    stock = yaml.safe_load(text)
    for ours, theirs in zip(made["deployments"], stock["deployments"], strict=True):
        assert ours["parameters"] == theirs["parameters"] | {"config": "/c.toml", "warehouse": "/w"}
        assert {name: ours[name] for name in ours if name != "parameters"} == {
            name: theirs[name] for name in theirs if name != "parameters"
        }


def test_the_retrain_has_a_trigger_and_no_clock() -> None:
    deployments = {found["name"]: found for found in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    assert list(deployments) == ["daily-refresh", "nightly-retrain", "gc", "verify"]
    assert "schedules" not in deployments["nightly-retrain"] and deployments["nightly-retrain"]["triggers"][0]["enabled"]
    assert all("schedules" in deployments[name] for name in ("daily-refresh", "gc", "verify"))


def test_children_talk_to_that_server_and_tell_nobody_else() -> None:
    environment = environment_of({"A": "b"}, Place("0.0.0.0", 4300))  # noqa: S104 only named
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4300/api" and environment["A"] == "b"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false" and environment["PREFECT_PLUGINS_ENABLED"] == "true"
    assert environment["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem"), "leases outlive the server"


@pytest.mark.parametrize(("before", "stops"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_closed_terminal_stops_it_but_for_nohup(before: signal.Handlers, stops: bool) -> None:
    earlier, stopping = signal.signal(signal.SIGHUP, before), threading.Event()
    try:
        with _signals_set(stopping):
            os.kill(os.getpid(), signal.SIGHUP)
            assert stopping.is_set() == stops
        assert signal.getsignal(signal.SIGHUP) is before
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_a_configuration_that_is_refused_starts_nothing(hsrl: Callable[..., Printed], tmp_path: Path) -> None:
    printed = hsrl("up", "--config", tmp_path / "none.toml")
    assert printed.code == 2 and printed.err.startswith("hsrl: configuration ") and "starting" not in printed.err

"""The example service: started, called, measured, and given a new release while it is called."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from flows.queries.recommend import open_recommender
from flows.service.answers import Current
from pipeline.errors import WarehouseError
from tests.flows.conftest import World

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SERVE = """
import sys, uvicorn
from pathlib import Path
from flows.service.answers import create_app
uvicorn.run(create_app(Path(sys.argv[1]), look_seconds=0.3), port=int(sys.argv[2]), log_level="warning")
"""
COLD_SECONDS = 60.0  # a shared machine; what it took is in the run's report


@pytest.fixture(scope="module")
def world(retrained: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return retrained.copy(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(world: World, record_testsuite_property: Callable[[str, object], None]) -> Iterator[httpx.Client]:
    """A client of the running service; how long it took to answer first is a property of the run's report."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(world.root), str(port)], cwd=ROOT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            while True:
                assert process.poll() is None and time.monotonic() - began < COLD_SECONDS
                try:
                    client.get("/release")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            record_testsuite_property("service: seconds until the first answer", round(time.monotonic() - began, 2))
            yield client
    finally:
        process.terminate()
        process.wait(20)


def posted(client: httpx.Client, path: str, **body: Any) -> dict:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_answers_as_the_class_does(client: httpx.Client, world: World) -> None:
    recommender = open_recommender(world.root, 384)
    body = posted(client, "/recommend", requests=[{"user": "3"}, {"history": ["3", "5"]}], k=4)
    expected = recommender.recommend([recommender.request("3"), recommender.request(history=["3", "5"])], 4)
    for ours, theirs in zip(expected, body["answers"], strict=True):
        assert [row["raw_id"] for row in theirs] == recommender.raw_ids_of(ours)
        assert [row["score"] for row in theirs] == pytest.approx(ours.scores.tolist(), abs=1e-5)
    ranked = posted(client, "/rank", requests=[{"user": 3, "candidates": ["1", "2", 4]}])["answers"][0]
    assert sorted(row["raw_id"] for row in ranked) == ["1", "2", "4"]
    assert {"release_id": body["release_id"], "policy_id": body["policy_id"]} == client.get("/release").json()


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/recommend", {"requests": [{"user": "3"}, {"user": "nobody"}]}, "request 1: user 'nobody' is unknown"),
        ("/recommend", {"requests": [{"history": ["no such"]}]}, "request 0: 1 of 1 items in its history are unknown"),
        ("/recommend", {"requests": [{"user": "3"}], "k": 5_000}, "expected at least the slate's 5000"),
        ("/rank", {"requests": [{"user": "3"}]}, "request 0: has no candidates"),
        ("/rank", {"requests": [{"user": "3", "candidates": ["1", "1"]}]}, "names one twice|none twice"),
        ("/recommend", {"requests": []}, "at least 1 item"),
        ("/recommend", {"requests": [{"user": "3"}], "k": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(client: httpx.Client, path: str, body: dict, message: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422 and any(part in answer.text for part in message.split("|")), answer.text


def test_the_times_of_calls_are_those_of_a_service(
    client: httpx.Client, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """p50 and p99 over HTTP; the bound is for a shared machine, what was measured is in the run's report and in docs/out.md."""
    for batch, n_calls in ((1, 200), (64, 40)):
        requests = [{"user": str(1 + number % 40)} for number in range(batch)]
        seconds = []
        for _ in range(n_calls):
            began = time.perf_counter()
            assert len(posted(client, "/recommend", requests=requests)["answers"]) == batch
            seconds.append(time.perf_counter() - began)
        p50, p99 = np.quantile(seconds, [0.5, 0.99])
        record_testsuite_property(f"service, batch {batch}: p50 and p99, ms", (round(1000 * p50, 1), round(1000 * p99, 1)))
        assert p50 < 0.5


def test_a_new_release_comes_without_a_dropped_request(client: httpx.Client, world: World) -> None:
    """Calls go on from two threads while a night is published; each answer is of one release, and in the end of the new one."""
    before, stop = client.get("/release").json()["release_id"], threading.Event()
    seen: list[tuple[int, int]] = []

    def call() -> None:
        while not stop.is_set():
            answer = client.post("/recommend", json={"requests": [{"user": "3"}]})
            seen.append((answer.status_code, answer.json()["release_id"]))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        world.refresh(world.changed(("days = 3", "days = 4")))
        began = time.monotonic()
        while client.get("/release").json()["release_id"] == before and time.monotonic() - began < COLD_SECONDS:
            time.sleep(0.1)
    finally:
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in seen} == {200} and {release for _, release in seen} == {before, before + 1}


def test_a_release_that_cannot_be_served_leaves_the_old_one(
    retrained: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    current = Current(retrained.root, 384)
    assert current.renew() is False
    monkeypatch.setattr("flows.service.answers.newest_release", lambda _: 9)

    def damaged(*_: object) -> None:
        raise WarehouseError("policy.safetensors: damaged")

    monkeypatch.setattr("flows.service.answers.open_recommender", damaged)
    before = current.recommender
    assert current.renew() is False and current.recommender is before and "release 2 is served on" in caplog.text

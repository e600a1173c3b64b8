"""Who is notified of a night, and that nobody who does not listen can fail it."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.runtime.alerts import AlertsConfig, attended
from flows.runtime.run import Run
from flows.runtime.settings import load_alerts, load_settings
from pipeline.errors import AuditError, ConfigError
from tests.flows.conftest import Printed, World

PUBLISHED = {"status": "published", "release_id": 3, "warnings": []}
DRIFTED = {"status": "published", "release_id": 3, "warnings": ["delivery_drift: half the rows"]}
REFUSED = {"status": "policy refused", "release_id": 4, "gate": "-0.5 beside the incumbent"}


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of a server on this machine, and what it was sent."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


class Heard:
    """A run's outlet that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, run_id: str, stage: str | None, text: str) -> None:
        self.lines.append(text)

    def progress(self, stage: str, done: int, total: int) -> None: ...


def do(alerts: AlertsConfig, report: dict[str, Any] | BaseException) -> list[str]:
    """Attend a run that returns or raises this; the lines that it said."""
    heard = Heard()
    run = Run("daily-refresh", outlet=heard)

    def work() -> dict[str, Any]:
        if isinstance(report, BaseException):
            raise report
        return report

    if isinstance(report, BaseException):
        with pytest.raises(type(report)):
            attended(alerts, lambda: run, Path("/w"), work)
    else:
        assert attended(alerts, lambda: run, Path("/w"), work) == report
    return heard.lines


def test_a_failure_is_sent_to_the_webhook(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = webhook
    assert do(AlertsConfig(webhook=url), AuditError("audit churn_budget refused it")) == []
    [notice] = received
    assert (notice["flow"], notice["event"], notice["status"], notice["release_id"]) == (
        "daily-refresh",
        "failed",
        "failed",
        None,
    )
    assert notice["message"] == "daily-refresh: failed: AuditError: audit churn_budget refused it"
    assert "-daily-refresh-" in notice["run_id"] and notice["warehouse"] == "/w"


def test_a_run_that_was_told_to_end_says_so(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    """SystemExit says its number alone: a worker that was killed once sent `failed: SystemExit: 1`."""
    url, received = webhook
    assert do(AlertsConfig(webhook=url), SystemExit(1)) == []
    assert received[0]["message"].endswith("told to end from outside (exit code 1), as when its worker or the machine is stopped")


def test_drift_and_a_refused_policy_are_sent_and_a_quiet_night_is_not(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = webhook
    for report in (PUBLISHED, DRIFTED, REFUSED):
        assert do(AlertsConfig(webhook=url), report) == []
    assert [notice["warnings"] for notice in received] == [["delivery_drift: half the rows"], ["gate: -0.5 beside the incumbent"]]
    assert received[0]["message"] == "daily-refresh: published, release 3; 1 warnings, the first: delivery_drift: half the rows"


def test_a_quiet_night_is_sent_where_that_is_asked_for(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = webhook
    do(AlertsConfig(webhook=url, on=("completed",)), PUBLISHED)
    do(AlertsConfig(webhook=url, on=("completed",)), DRIFTED)
    assert [notice["event"] for notice in received] == ["completed"]


def test_what_a_person_stops_is_not_sent(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = webhook
    do(AlertsConfig(webhook=url), KeyboardInterrupt())
    assert received == []


def test_a_command_reads_the_notice_on_standard_input(tmp_path: Path) -> None:
    target = tmp_path / "notice.json"
    code = f"import sys, pathlib; pathlib.Path({str(target)!r}).write_text(sys.stdin.read())"
    assert do(AlertsConfig(command=(sys.executable, "-c", code)), DRIFTED) == []
    assert json.loads(target.read_text())["event"] == "warned"


def test_a_webhook_that_refuses_is_one_line_without_its_secret(webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, _ = webhook
    assert do(AlertsConfig(webhook=f"{url}/broken"), DRIFTED) == [
        "warning: the webhook of [alerts] was not notified: 127.0.0.1 answered 500"
    ]
    [line] = do(AlertsConfig(webhook="http://127.0.0.1:1/token-4711"), DRIFTED)
    assert line.startswith("warning: the webhook of [alerts] was not notified: 127.0.0.1") and "4711" not in line


def test_a_webhook_that_does_not_answer_is_left_after_its_time() -> None:
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # listens, and nobody accepts
    url = f"http://127.0.0.1:{server.server_port}"
    [line] = do(AlertsConfig(webhook=url, timeout_seconds=0.2), DRIFTED)
    server.server_close()
    assert line == "warning: the webhook of [alerts] was not notified: 127.0.0.1 did not answer within 0.2 seconds"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/no/such/program",), "No such file or directory"),
        ((sys.executable, "-c", "import sys; sys.exit('no mailer')"), "exit code 1, no mailer"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "it did not end within 1 seconds"),
    ],
)
def test_a_command_that_fails_is_one_line(command: tuple[str, ...], reason: str) -> None:
    [line] = do(AlertsConfig(command=command, timeout_seconds=1), DRIFTED)
    assert line == f"warning: the command of [alerts], {command[0]}, was not notified: {reason}"


def test_the_error_of_the_night_is_raised_whatever_the_webhook_does() -> None:
    [line] = do(AlertsConfig(webhook="http://127.0.0.1:1/"), AuditError("refused"))
    assert line.startswith("warning: ")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("file:///etc/passwd", "is no URL of http or https"),
        ("ftp://host", "is no URL of http or https"),
        ("host/path", "is no URL of http or https"),
        ("http:///path", "is no URL of http or https"),
        ("http://hook:s3cr3t@host/x", "has no port or host that is one|holds a name or password"),
        ("http://host:s3cr3t/x", "has no port or host that is one"),
        ("http://[s3cr3t/x", "has no port or host that is one"),
        ("http://host/s3cr3t token", "has blanks or characters"),
        ("http://host/s3cr3t\n", "has blanks or characters"),
    ],
)
def test_what_is_no_webhook_is_refused_without_a_word_of_it(
    url: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match=rf"alerts\.webhook ({fault})"):
        AlertsConfig(webhook=url)
    monkeypatch.setenv("HSRL_ALERTS__WEBHOOK", url)
    with pytest.raises(ConfigError, match=rf"alerts\.webhook ({fault})") as raised:
        load_settings(Path(__file__).parents[3] / "flows/configs/generated.toml", tmp_path)
    assert "s3cr3t" not in str(raised.value)


def test_a_webhook_that_drips_is_left_after_its_time() -> None:
    """A timeout of sockets begins anew with every byte."""

    class Dripping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"H")
                    time.sleep(0.1)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.handle_request, daemon=True).start()
    began = time.monotonic()
    [line] = do(AlertsConfig(webhook=f"http://127.0.0.1:{server.server_port}", timeout_seconds=0.3), DRIFTED)
    assert line.endswith("127.0.0.1 did not answer within 0.3 seconds") and time.monotonic() - began < 5
    server.server_close()


def test_a_variable_that_is_set_to_nothing_is_no_webhook() -> None:
    assert AlertsConfig(webhook="").webhook is None


def test_the_secret_comes_from_the_environment_and_is_not_saved(refreshed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSRL_ALERTS__WEBHOOK", "https://example.org/token-4711")
    settings = refreshed.settings
    assert settings.alerts.webhook is not None and settings.alerts.webhook.get_secret_value().endswith("token-4711")
    assert "4711" not in json.dumps(settings.model_dump(mode="json")) and "4711" not in repr(settings)


@pytest.mark.parametrize("command", ["refresh", "retrain"])
def test_a_configuration_that_is_refused_is_notified_to_whom_it_names(
    command: str, hsrl: Callable[..., Printed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt key elsewhere in the file; what the environment says of the section goes before it, as ever."""
    notice, code = tmp_path / "notice.json", "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    config = tmp_path / "misspelt.toml"
    config.write_text(f"[alerts]\non = ['warned']\ncommand = {json.dumps([sys.executable, '-c', code, str(notice)])}\n[sourec]\n")
    monkeypatch.setenv("HSRL_ALERTS__ON", '["failed"]')
    assert hsrl(command, "--config", config, "--warehouse", tmp_path / "w").code == 2
    sent = json.loads(notice.read_text())
    assert sent["event"] == "failed" and "unknown key sourec; did you mean source?" in sent["message"]


def test_with_a_broken_configuration_the_environment_still_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSRL_ALERTS__COMMAND", '["mail"]')
    assert load_alerts(tmp_path / "missing.toml", tmp_path).command == ("mail",)
    monkeypatch.setenv("HSRL_ALERTS__COMMAND", "no list")
    assert load_alerts(tmp_path / "missing.toml", tmp_path) == AlertsConfig()


def test_every_setting_is_described() -> None:
    assert all((field.description or "").endswith(".") for field in AlertsConfig.model_fields.values())

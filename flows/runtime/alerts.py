"""Section ``[alerts]``: who is notified when a night failed, or when its audits warn; a notice that is not taken never fails a night."""

import http.client
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from flows.runtime.run import Run
from pipeline.errors import reason_of

Event = Literal["failed", "warned", "completed"]


class AlertsConfig(BaseModel):
    """Section ``[alerts]``: where notices go, and of what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook: SecretStr | None = Field(
        None,
        description="URL that is sent each notice as JSON by POST. As it often holds a secret, give it as HSRL_ALERTS__WEBHOOK; "
        "it is never saved with a run nor printed.",
    )
    command: tuple[str, ...] = Field(
        (),
        description="Program and arguments that get each notice as JSON on standard input, such as a mailer. No shell reads them.",
    )
    on: tuple[Event, ...] = Field(
        ("failed", "warned"),
        description='What is notified: "failed" (refused by an audit, out of time, killed under Prefect), "warned" (published, but an audit '
        'such as delivery_drift warns, or the gate refused the policy), "completed" (everything else).',
    )
    timeout_seconds: float = Field(10.0, gt=0, le=600, description="How long the webhook or the command may take, each.")

    @field_validator("webhook")
    @classmethod
    def _is_web(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():  # a variable that is set to nothing
            return None
        fault = _fault_of(value.get_secret_value())
        if fault:
            raise ValueError(f"alerts.webhook {fault}; expected http://host/path or https://host/path")
        return value


def _fault_of(url: str) -> str | None:
    """Why nothing can be sent to a URL, without a word of it; None = something can."""
    if not url.isprintable() or " " in url:
        return "has blanks or characters that no URL has"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "has no port or host that is one"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no URL of http or https"
    return "holds a name or password before its host, which are not sent" if "@" in parts.netloc else None


@dataclass(frozen=True)
class Notice:
    """What is sent, as one JSON object.

    Attributes:
        flow: such as ``daily-refresh``.
        run_id: of the table ``runs``.
        event: failed, warned or completed.
        status: as the report of the run has it, or ``failed``.
        message: a line for people.
        warnings: findings of audits that do not block, and what the gate refused.
        release_id: what was published; None = nothing.
        warehouse: the folder.
        sent_at: UTC, ISO 8601.
    """

    flow: str
    run_id: str
    event: Event
    status: str
    message: str
    warnings: list[str]
    release_id: int | None
    warehouse: str
    sent_at: str


def attended(alerts: AlertsConfig, run: Callable[[], Run], root: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work of a run and notify of how it ended: the one place that commands and deployments pass through.

    Args:
        alerts: where notices go.
        run: the run under way, asked when the work has ended.
        root: the warehouse's folder.
        work: returns the report of the run.

    Returns:
        What the work returns.

    Raises:
        BaseException: what the work raises, after it was notified; a person's own Ctrl-C is not notified.
    """
    try:
        report = work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        notify(alerts, notice_of_error(run(), root, f"{type(error).__name__}: {reason_of(error)}"), run().say)
        raise
    notify(alerts, notice_of(run(), root, report), run().say)
    return report


def notice_of(run: Run, root: Path, report: dict[str, Any]) -> Notice:
    """The notice of a report: warned where an audit warns or the gate refused the policy."""
    warnings = [str(warning) for warning in report.get("warnings", ())]
    if report["status"] == "policy refused":
        warnings.append(f"gate: {report['gate']}")
    release = report.get("release_id")
    ending = f"{run.flow}: {report['status']}" + ("" if release is None else f", release {release}")
    message = f"{ending}; {len(warnings)} warnings, the first: {warnings[0]}" if warnings else ending
    return _notice(run, root, "warned" if warnings else "completed", report["status"], message, warnings, release)


def notice_of_error(run: Run, root: Path, reason: str) -> Notice:
    """The notice of a run that ended with an error; ``reason`` is a line."""
    return _notice(run, root, "failed", "failed", f"{run.flow}: failed: {reason}", [], None)


def _notice(run: Run, root: Path, event: Event, status: str, message: str, warnings: list[str], release_id: int | None) -> Notice:
    return Notice(
        run.flow,
        run.run_id,
        event,
        status,
        message,
        warnings,
        release_id,
        str(root),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def notify(alerts: AlertsConfig, notice: Notice, say: Callable[[str], None]) -> None:
    """Send a notice if it is asked for; whoever does not take it is named in one line."""
    if notice.event not in alerts.on:
        return
    content = json.dumps(asdict(notice)).encode()
    if alerts.webhook is not None:
        refusal = _post(alerts.webhook.get_secret_value(), content, alerts.timeout_seconds)
        if refusal:
            say(f"warning: the webhook of [alerts] was not notified: {refusal}")
    if alerts.command:
        refusal = _hand_over(alerts.command, content, alerts.timeout_seconds)
        if refusal:
            say(f"warning: the command of [alerts], {alerts.command[0]}, was not notified: {refusal}")


def _post(url: str, content: bytes, timeout_seconds: float) -> str | None:
    """Why the webhook did not take it; None = it did. The line names the host alone: the rest of the URL may be a secret."""
    refusals: list[str | None] = []
    # A thread, as a timeout of sockets begins anew with every byte that arrives.
    sending = threading.Thread(target=lambda: refusals.append(_answer_of(url, content, timeout_seconds)), daemon=True)
    sending.start()
    sending.join(timeout_seconds)
    return refusals[0] if refusals else f"{urlsplit(url).hostname} did not answer within {timeout_seconds:g} seconds"


def _answer_of(url: str, content: bytes, timeout_seconds: float) -> str | None:
    host = urlsplit(url).hostname
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 http or https, see the section
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:  # noqa: S310
            answer.read(1)
    except urllib.error.HTTPError as error:
        return f"{host} answered {error.code}"
    except TimeoutError:
        return f"{host} did not answer within {timeout_seconds:g} seconds"
    except urllib.error.URLError as error:
        return f"{host}: {error.reason}"
    except OSError as error:
        return f"{host}: {reason_of(error)}"
    except (http.client.HTTPException, ValueError) as error:  # their words may quote the URL, as of one that it was led on to
        return f"{host}: {type(error).__name__}"
    return None


def _hand_over(command: tuple[str, ...], content: bytes, timeout_seconds: float) -> str | None:
    """Why the command did not take it; None = it ended with exit code 0."""
    try:
        ended = subprocess.run(command, input=content, capture_output=True, timeout=timeout_seconds, check=False)  # noqa: S603 the owner's own
    except subprocess.TimeoutExpired:
        return f"it did not end within {timeout_seconds:g} seconds"
    except (OSError, ValueError) as error:
        return reason_of(error)
    printed = ended.stderr.decode(errors="replace").strip().splitlines()
    return f"exit code {ended.returncode}{f', {printed[-1]}' if printed else ''}" if ended.returncode else None

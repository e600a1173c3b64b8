"""A Prefect server, asked over HTTP: this much needs no Prefect here."""

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any

DEFAULT_API = "http://127.0.0.1:4200/api"
DEPLOYMENTS = ("daily-refresh", "nightly-retrain", "gc", "verify")
_SECONDS = 10.0


def api_url() -> str:
    """Where a server is looked for: PREFECT_API_URL, else this machine."""
    return os.environ.get("PREFECT_API_URL", DEFAULT_API).rstrip("/")


def is_healthy(api: str) -> bool:
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=_SECONDS) as answer:  # noqa: S310 the owner's own server
            return bool(answer.status == http.client.OK)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def exists(api: str, path: str) -> bool:
    """Whether the server has a thing; any answer but "not found" counts as there."""
    try:
        with urllib.request.urlopen(f"{api}/{path}", timeout=_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code != http.client.NOT_FOUND


def found_by(api: str, what: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """What a filter of the server's API finds, such as of ``flow_runs``.

    Raises:
        OSError: the server did not answer, or refused.
    """
    content = json.dumps(question).encode()
    request = urllib.request.Request(f"{api}/{what}/filter", content, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)
    return found

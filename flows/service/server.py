"""A Prefect server, asked over HTTP: this much needs no Prefect here."""

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any

from flows.service.checks import ROOT, is_installed

DEFAULT_API = "http://127.0.0.1:4200/api"
DEPLOYMENTS = ("daily-refresh", "nightly-retrain", "gc", "verify")
_SECONDS = 10.0


def api_url() -> str:
    """Where a server is looked for: PREFECT_API_URL of the environment, of Prefect's profile (`prefect config set`), else this machine."""
    return (os.environ.get("PREFECT_API_URL") or _of_profile() or DEFAULT_API).rstrip("/")


def _of_profile() -> str | None:
    if not is_installed("prefect"):
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def is_healthy(api: str) -> bool:
    """Whether a server of Prefect answers there, which says ``true``."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=_SECONDS) as answer:  # noqa: S310 the owner's own server
            return answer.read(100).strip() == b"true"
    except (OSError, ValueError, http.client.HTTPException):
        return False


def exists(api: str, path: str) -> bool:
    """Whether the server has a thing; any answer but "not found" counts as there."""
    try:
        with urllib.request.urlopen(f"{api}/{path}", timeout=_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code != http.client.NOT_FOUND


def warehouses_of(deployments: list[dict[str, Any]]) -> list[str]:
    """The warehouses whose nights a server's deployments of hsrl are, sorted; a relative one is of the project's folder."""
    ours = [deployment.get("parameters") or {} for deployment in deployments if deployment["name"] in DEPLOYMENTS]
    return sorted({str((ROOT / parameters["warehouse"]).resolve()) for parameters in ours if parameters.get("warehouse")})


def found_by(api: str, what: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """What a filter of the server's API finds, such as of ``flow_runs``.

    Raises:
        OSError: the server did not answer, or refused.
    """
    found: list[dict[str, Any]] = post(f"{api}/{what}/filter", question)
    return found


def post(url: str, content: dict[str, Any]) -> Any:
    """What the server answers to a POST.

    Raises:
        OSError: it did not answer, or refused.
    """
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        return json.load(answer)

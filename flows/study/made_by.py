"""The line of a page that says how it came about."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from flows.runtime.resources import code_version

# Sections of the configuration that figures depend on; others may hold what is nobody's business, as addresses of alerts do.
_DECIDING = ("RECORDS", "EMBEDDINGS", "SIDS", "SIMULATOR", "ENVIRONMENT", "LEARNER", "EVALUATION")


def made_by(command: str, release_id: int, environment: Mapping[str, str] | None = None) -> str:
    """The command as one would type it, what it ran on and when.

    Args:
        command: without the variables that override settings.
        release_id: that was read.
        environment: where these variables stand; None = those of the process.
    """
    known = os.environ if environment is None else environment
    sections = tuple(f"HSRL_{section}__" for section in _DECIDING)
    overrides = [f"{name}={value}" for name, value in sorted(known.items()) if name.startswith(sections)]
    words = " ".join([*overrides, "hsrl", command])
    today = datetime.now(UTC).date().isoformat()
    return f"`{words}`, hsrl {code_version()}, torch {version('torch')}, release {release_id}; {today}, {os.cpu_count()} cores"

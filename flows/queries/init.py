"""A configuration for a log that nobody has described, written only once it was read by it."""

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.runtime.settings import load_settings
from pipeline.errors import ConfigError
from pipeline.ingest.config import IngestConfig
from pipeline.ingest.guess.propose import Proposal, propose


def write_configuration(files: Sequence[Path], out: Path) -> dict[str, Any]:
    """Look at the files, write a configuration that ``hsrl refresh --config`` reads, and report what was read by it.

    Args:
        files: event files of one log, and its files of items and users.
        out: the configuration, which must not be there yet.

    Returns:
        configuration, kind, log (names of files), unsure (sentences), events, rejected (also those that a refresh will refuse),
        positive, users, items, rows (up to ten
        parsed rows, a dict each) and next, the command that reads the log by it.

    Raises:
        ConfigError: ``out`` is there already, or its folder is not.
        SourceError: there is no log among the files, or one of them is refused.
    """
    if os.path.lexists(out):
        raise ConfigError(f"{out}: is there already and is not written over; name another file with --out, or remove it")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; make it, or name another file with --out")
    proposal = propose(files, folder, datetime.now(UTC) + timedelta(days=IngestConfig().future_days))
    _require_loading(proposal.text, folder)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError as error:
        raise ConfigError(
            f"{out}: is there already and is not written over; name another file with --out, or remove it"
        ) from error
    return _report(proposal, out)


def _require_loading(text: str, folder: Path) -> None:
    """Load the configuration as every command does, before it gets its name."""
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".hsrl-init-", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        load_settings(Path(file.name), folder)


def _report(proposal: Proposal, out: Path) -> dict[str, Any]:
    trial = proposal.trial
    return {
        "configuration": str(out),
        "kind": proposal.kind,
        "log": list(proposal.log),
        "unsure": list(proposal.doubts),
        "events": trial.events.height,
        "rejected": trial.rejects.height,
        "positive": int(trial.events["feedback"].sum()),
        "users": trial.events["user_id"].n_unique(),
        "items": trial.events["item_id"].n_unique(),
        "rows": trial.rows.to_dicts(),
        "next": f"hsrl refresh --config {out} --warehouse warehouse/{out.stem}",
    }

"""The commands of `hsrl`, those of its groups by both words."""

from typing import Any

from typer.main import get_command

from flows.cli.app import app


def all_commands() -> dict[str, Any]:
    """By name: ``sql``, ``sids export``."""
    found: dict[str, Any] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found.update({name: command} if inner is None else {f"{name} {word}": each for word, each in inner.items()})
    return found

"""The commands of `hsrl`, those of its groups by both words."""

from typing import Any

from typer.main import get_command

from flows.cli.app import app


def all_commands() -> dict[str, Any]:
    """By name: ``sql``, ``sids export``."""
    found: dict[str, Any] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:  # such as draw, which is a command and a group
            found[name] = command
        found.update({f"{name} {word}": each for word, each in (inner or {}).items()})
    return found

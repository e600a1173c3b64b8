"""What policy export and draw policy print."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts


def export(console: Console, report: dict[str, Any]) -> None:
    """Where the policy is, and how near its scores are."""
    lines = (
        ("policy", f"{report['policy_id']}, release {report['release_id']}"),
        ("written to", f"{report['out']} (TorchScript, {report['bytes']:,} bytes)"),
        ("scores", f"at most {report['largest_difference']:.1g} from the policy's own, after loading the file"),
    )
    facts(console, lines)


def drawn(console: Console, report: dict[str, Any]) -> None:
    """Where the picture is, and of which policy."""
    lines = (
        ("policy", f"{report['policy_id']}, shown over release {report['release_id']}"),
        ("written to", f"{report['png']} ({report['n_states']:,} histories of the test split)"),
    )
    facts(console, lines)

"""What policy export prints."""

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

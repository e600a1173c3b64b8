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


def low_level(console: Console, report: dict[str, Any]) -> None:
    """Where the low level is, and what it asks of a device."""
    lines = (
        ("policy", f"{report['policy_id']}, release {report['release_id']}"),
        ("written to", f"{report['out']} (TorchScript, {report['bytes_of_file']:,} bytes)"),
        ("holds", f"{report['bytes_of_weights']:,} bytes of weights, {report['bytes_of_items']:,} bytes of items' vectors"),
        (
            "a slate",
            f"of {report['k']} items: {report['p50_ms']:.2f} CPU ms for a user, 99 % within {report['p99_ms']:.2f} ms, one thread",
        ),
        ("slates", "those of the policy, after loading the file"),
    )
    facts(console, lines)


def drawn(console: Console, report: dict[str, Any]) -> None:
    """Where the picture is, and of which policy."""
    lines = (
        ("policy", f"{report['policy_id']}, shown over release {report['release_id']}"),
        ("written to", f"{report['png']} ({report['n_states']:,} histories of the test split)"),
    )
    facts(console, lines)

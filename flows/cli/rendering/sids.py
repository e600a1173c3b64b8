"""What sids export and sids audit print."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts


def export(console: Console, report: dict[str, Any]) -> None:
    """Where the Semantic IDs are, and what they are of."""
    lines = (
        ("semantic ids", f"{report['n_items']:,} items of release {report['release_id']}, codebook {report['codebook_id']}"),
        ("written to", f"{report['out']} ({report['format_name']}, {report['bytes']:,} bytes)"),
        ("sha256", f"{report['sha256']}, of the rows; verified by reading the file back"),
    )
    facts(console, lines)

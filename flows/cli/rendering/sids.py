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


def audit(console: Console, report: dict[str, Any]) -> None:
    """The figures of each file, and what two have in common."""
    for figures in report["mappings"]:
        lines = [
            ("file", figures["file"]),
            ("semantic ids", f"{figures['sids']:,} for {figures['items']:,} items"),
            (
                "collisions",
                f"{figures['shared_items']:,} items ({figures['shared_items_share']:.1%}) share theirs, at most "
                f"{figures['largest_bucket']:,} one",
            ),
        ]
        for level in figures["levels"]:
            lines.append(
                (
                    f"level {level['level']}",
                    f"{level['codes_used']:,} codes, entropy {level['entropy_bits']:.2f} bits; {level['prefixes']:,} prefixes, at most "
                    f"{level['largest_prefix']:,} items one",
                )
            )
        lines += _agreement(figures, "behaviour", "likes")
        lines += _agreement(figures, "neighbours", "near vectors")
        facts(console, tuple(lines))
    if found := report.get("compared"):
        plain = ", ".join(f"{share:.1%}" for share in found["kept_by_level"])
        aligned = ", ".join(f"{share:.1%}" for share in found["kept_aligned_by_level"])
        both = f"{found['items_in_both']:,} items; {found['only_in_first']:,} only in the first, {found['only_in_second']:,} only in the second"
        facts(
            console,
            (
                ("in both", both),
                ("kept", f"by level {plain}, as numbered"),
                ("aligned", f"by level {aligned}, new codes taking old numbers"),
            ),
        )


def _agreement(figures: dict[str, Any], key: str, name: str) -> list[tuple[str, str]]:
    """How much oftener than by chance pairs share a prefix."""
    if key not in figures:
        return []
    if not figures[key]["pairs"]:
        return [(name, "none are of items in this file")]
    levels = [f"{level['found']:.1%} ({level['by_chance']:.1%} by chance)" for level in figures[key]["levels"]]
    return [(name, f"{figures[key]['pairs']:,} pairs; with the same prefix by level {', '.join(levels)}")]

"""What encode, rank and recommend print."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts, table

_DIFFERENCES = {
    "same": "have this Semantic ID now",
    "kept": "keep another one that is near enough",
    "deferred": "wait for their move",
    "capacity": "have another one, this one being full",
    "changed": "have one made from another vector",
    "no sid": "have none, here or there",
    "unknown": "are of no item",
}


def encode(console: Console, report: dict[str, Any]) -> None:
    """Where the Semantic IDs are, and how many vectors are unlike all that the codes were learned from."""
    text = (
        f"{report['vectors']:,} of codebook {report['codebook_id']} in {report['out']}; {report['unlike']:,} unlike the catalogue"
    )
    text += f"; {report['zero']:,} of zeros, without one" if report["zero"] else ""
    facts(console, (("semantic ids", text),))
    if differences := report.get("catalogue"):
        facts(console, (("catalogue", ", ".join(f"{count:,} {_DIFFERENCES[why]}" for why, count in differences.items())),))


def rank(console: Console, report: dict[str, Any]) -> None:
    """Where the ranked candidates are, whose opinion they are, and what was left out."""
    answered = report["requests"] - report["rejected"]
    lines = (
        ("ranked", f"{report['candidates']:,} candidates of {answered:,} requests"),
        ("policy", f"{report['policy_id']}, release {report['release_id']}"),
        ("written to", report["output"]),
        (
            "rejected",
            f"{report['rejected']:,} of {report['requests']:,} requests, in {report['rejected_file']}: "
            f"{'; '.join(report['first_rejected'])}"
            if report["rejected"]
            else "",
        ),
        (
            "new users",
            f"{report['unknown_users']:,} requests name a user that release {report['release_id']} does not know, such as "
            f"{report['first_unknown_users'][0]}; ranked by history alone"
            if report["unknown_users"]
            else "",
        ),
    )
    facts(console, tuple(line for line in lines if line[1]))


def recommend(console: Console, report: dict[str, Any]) -> None:
    """The slate, and by what it was chosen."""
    columns = ["place", "raw_id", "title", "sid", "score"]
    rows = [[row[name] for name in columns] for row in report["items"]]
    table(console, columns, [True, False, False, False, True], rows, len(rows))
    known = "" if report["is_known"] else f"; release {report['release_id']} does not know this user: by history alone"
    facts(
        console,
        (
            ("user", f"{report['user']}, {report['history']:,} likes{known}"),
            ("policy", f"{report['policy_id']}, release {report['release_id']}"),
        ),
    )

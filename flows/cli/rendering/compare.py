"""What compare prints."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts

_METRICS = {
    "auc_in_slate": "AUC in slates",
    "ndcg_in_slate": "NDCG in slates",
    "ndcg_of_later_items": "NDCG of later items",
}


def comparison(console: Console, report: dict[str, Any]) -> None:
    """The two policies, their rewards, people's own answers, what they show, and the Semantic IDs under them."""
    lines = [(name, _side(report[name])) for name in ("first", "second")]
    lines.append(
        ("judged", f"{report['n_sessions']:,} sessions a simulator from the starts of release {report['judged_on_release']}")
    )
    for row in report["rewards"]:
        families = ", ".join(f"{family} {difference:+.2f}" for family, difference in row["by_family"].items())
        lines.append((row["kind"], f"reward {row['first']:.2f} → {row['second']:.2f}: {_difference(row, 2)}; {families}"))
    for row in report["real_answers"]:
        name = _METRICS[row["metric"]]
        lines.append(("own answers", f"{name} {row['first']:.3f} → {row['second']:.3f}: {_difference(row, 4)}"))
    lines.append(("verdict", f"second beside first: {report['verdict']} (the rule of claims, docs/learner.md)"))
    slates = report["slates"]
    lines.append(
        (
            "slates",
            f"of {slates['n_slates']:,} first slates of {slates['slate_size']}, {slates['items_in_common_share']:.0%} of the items are in "
            f"both; {slates['same_items_share']:.0%} have the same items, {slates['same_first_share']:.0%} the same first one",
        )
    )
    for name in ("first", "second"):
        shown = ", ".join(f"{row['title'] or row['raw_id']} ({abs(row['gain']):.1%})" for row in report["shown_more"][name])
        lines.append((f"{name} shows", f"more than the other, by share of all places: {shown or 'nothing'}"))
    facts(console, (*lines, ("semantic ids", _moved(report["sids"]))))


def _side(side: dict[str, Any]) -> str:
    return f"{side['policy_id']}: {side['method']}, seed {side['seed']}, of release {side['release_id']}, codebook {side['codebook_id']}"


def _difference(row: dict[str, Any], places: int) -> str:
    return f"{row['difference']:+.{places}f}, 95 % interval {row['low']:+.{places}f} … {row['high']:+.{places}f}"


def _moved(sids: dict[str, Any]) -> str:
    if not sids["is_numbered_alike"]:
        return f"all {sids['n_in_both']:,} items in both have others: the codes are numbered anew"
    text = f"{sids['n_moved']:,} of {sids['n_in_both']:,} items in both moved"
    return f"{text}; {sids['n_only_first']:,} only under the first, {sids['n_only_second']:,} only under the second"

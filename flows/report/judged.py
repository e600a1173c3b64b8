"""A row for each judged policy: the panel's figures beside those of the family learned in, from a report or from the tables."""

from collections.abc import Iterable, Sequence
from typing import Any

# Joins the ids of all simulators of a row that pools them.
_JOINT = "+"


def merged(evaluation: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one policy made one: the panel's figures, or where no other family judges those of its own, and its own mean.

    Args:
        evaluation: the judgements of one retrain, as it reports them or as ``pooled`` makes them.

    Returns:
        policy, policy_id, panel (family → mean total reward), own (mean in the family learned in), mean with ci_low and ci_high,
        unsupported_share; in the order of the judgements.
    """
    rows: dict[tuple[str, int, str | None], dict[str, Any]] = {}
    families = {family for row in evaluation if row["kind"] == "panel" for family in row["by_family"]}
    for row in evaluation:
        is_panel = row["kind"] == "panel" or (row["kind"] == "reference" and not families.isdisjoint(row["by_family"]))
        name = (row["policy"], row["seed"], row["policy_id"])
        known = rows.setdefault(
            name, {"policy": row["policy"], "policy_id": row["policy_id"], "panel": {}, "own": None, "mean": None}
        )
        if row["kind"] == "own":
            continue
        if not is_panel:
            known["own"] = row["total_reward"]
        if is_panel or known["mean"] is None:
            known |= {"mean": row["total_reward"], **{name: row[name] for name in ("ci_low", "ci_high", "unsupported_share")}}
            known["panel"] = row["by_family"] if is_panel else {}
    return list(rows.values())


def pooled(evaluations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The judgements of one retrain as it reports them, from the rows of the table ``evaluations``.

    The table has a row for each simulator and, where a group of judges is several, one for the group, whose interval is over sessions,
    simulators and families. A reference row stands in two groups: the family learned in, and the panel.

    Args:
        evaluations: rows of one release.

    Returns:
        The rows of the table that stand for a whole group, each with ``by_family``: the mean total reward in each of its families.
    """
    by_policy: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in evaluations:
        by_policy.setdefault((row["policy"], row["policy_id"], row["seed"], row["kind"]), []).append(row)
    found = []
    for rows in by_policy.values():
        single = {row["simulator_id"]: row for row in rows if _JOINT not in row["simulator_id"]}
        groups = [row for row in rows if _JOINT in row["simulator_id"]]
        grouped = {name for row in groups for name in row["simulator_id"].split(_JOINT)}
        alone = [row for name, row in single.items() if name not in grouped]
        for row in (*alone, *groups):
            found.append({**row, "by_family": _by_family([single[name] for name in row["simulator_id"].split(_JOINT)])})
    return found


def _by_family(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    rewards: dict[str, list[float]] = {}
    for row in rows:
        rewards.setdefault(row["family"], []).append(row["total_reward"])
    return {family: sum(found) / len(found) for family, found in rewards.items()}

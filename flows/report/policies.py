"""The part of the morning page about simulators and policies: the table that a retrain prints, with intervals."""

from typing import TYPE_CHECKING, Any

from flows.report.facts import Facts
from flows.report.html_parts import Column, picture_grid, section, table
from flows.runtime.html_text import as_html

if TYPE_CHECKING:
    from flows.report.pictures import Drawn

_HEAD = "Simulators and policies"
_REAL = {"auc_in_slate": "real AUC", "ndcg_in_slate": "real NDCG"}


def policy_section(facts: Facts, pictures: list["Drawn"]) -> str:
    """Who judges, what each policy and reference row gets, what may be said, and how that went over the releases."""
    if not facts.judged:
        return section(_HEAD, "", "<p>No policy has been judged. Make one with: <code>hsrl retrain</code></p>")
    release_id = max(facts.tables["evaluations"]["release_id"].to_list())
    families = list(dict.fromkeys(family for row in facts.judged for family in row.get("panel", {})))
    lead = (
        f"Release {release_id}: total reward of whole sessions from held-out starts, in small the 95 % interval over sessions, simulators and "
        f"families. {'Panel: simulated users of families that the policy did not learn in. ' if families else ''}"
        "Own family: that which it learned in. Real: people's own answers in held-out slates."
    )
    columns = (
        Column("policy", "policy"),
        Column("panel" if families else "judged", "mean", _two, note="interval"),
        *(Column(family.replace("_", " "), f"in_{family}", _two) for family in families),
        Column("own family", "own", _two),
        Column("no support", "unsupported_share", lambda value: f"{value:.0%}"),
        *(Column(head, metric, lambda value: f"{value:.3f}", note=f"{metric}_interval") for metric, head in _REAL.items()),
    )
    rows = [_flat(row) for row in facts.judged]
    drawn = table(rows, columns, lambda row: row.get("policy_id") is not None, folds=False)
    return section(_HEAD, lead, drawn + _claims(facts) + picture_grid(pictures) + _simulators(facts))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table with its intervals as texts."""
    flat = {**row, **{f"in_{family}": value for family, value in row.get("panel", {}).items()}}
    if row.get("ci_low") is not None:
        flat["interval"] = f"{row['ci_low']:.2f}…{row['ci_high']:.2f}"
    for metric in _REAL:
        if row.get(f"{metric}_low") is not None:
            flat[f"{metric}_interval"] = f"{row[f'{metric}_low']:.3f}…{row[f'{metric}_high']:.3f}"
    return flat


def _claims(facts: Facts) -> str:
    """What may be said of each policy beside another method, a sentence each."""
    lines = []
    for row in facts.tables["claims"].iter_rows(named=True):
        kind = "panel" if row["panel"] is not None else "own"
        gain = ""
        if row[kind] is not None:
            low, high = row[f"{kind}_low"], row[f"{kind}_high"]
            gain = f": {row[kind]:+.2f}, 95 % interval {low:+.2f} … {high:+.2f}"
        worst = "" if row["worst_family"] is None else f"; worst family {row['worst_family']} {row['worst_share']:+.1%}"
        names = f"{as_html(row['policy'])} beside {as_html(row['reference'])}"
        lines.append(f"<li>{names}: <b>{as_html(row['verdict'])}</b>{as_html(gain + worst)}</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _simulators(facts: Facts) -> str:
    columns = (
        Column("family", "family"),
        Column("fitted on", "fit_on"),
        Column("seed", "seed", str),
        Column("AUC", "auc", lambda value: f"{value:.3f}"),
        Column("calibration error", "ece", lambda value: f"{value:.4f}"),
        Column("judged on", "judged_on"),
        Column("records", "n_records"),
        Column("release", "release_id"),
    )
    rows = facts.tables["simulators"].to_dicts()
    return f"<h3>Simulators</h3>{table(rows, columns)}" if rows else ""


def _two(value: float) -> str:
    return f"{value:.2f}"

"""What a night leaves in Prefect when it has ended: a page in Markdown and, of a retrain, the table of its evaluation."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Report = Mapping[str, Any]
# Of a row of the evaluation, in this order.
_COLUMNS = ("policy", "kind", "seed", "total_reward", "ci_low", "ci_high", "depth", "distinct_items", "gini", "unsupported_share")


def page(flow: str, report: Report) -> str:
    """The report of a flow as Markdown: what was published or refused and why, counts, churn, gate, warnings."""
    lines = [f"# {flow}: {report['status']}", ""]
    if report.get("release_id") is not None:
        lines += [f"Release **{report['release_id']}**, run `{report['run_id']}`.", ""]
    sections = (
        ("Warnings", _listed(report.get("warnings", ()))),
        ("Rows", _rows(report)),
        ("Changes of Semantic IDs", _table({reason: _count(n) for reason, n in report.get("sid_changes", {}).items()})),
        ("Semantic IDs", _semantic_ids(report)),
        ("Gate", _gate(report)),
        ("People's own answers", _real_answers(report)),
        ("Garbage", _table({name: report[name] for name in ("n_snapshots", "n_files", "bytes") if name in report})),
        ("Not looked at", _listed(report.get("not_looked_at", ()))),
        ("Seconds", _table(report.get("seconds", {}))),
    )
    for title, body in sections:
        lines += [f"## {title}", "", *body, ""] if body else []
    return "\n".join(lines)


def evaluation_table(report: Report) -> list[dict[str, Any]]:
    """The evaluation, a row for each policy: figures rounded to four digits, and the mean reward with each family of simulators."""
    return [
        {name: _rounded(row[name]) for name in _COLUMNS if name in row}
        | {f"with {family}": _rounded(mean) for family, mean in row.get("by_family", {}).items()}
        for row in report.get("evaluation", ())
    ]


def run_name(day: str, report: Report) -> str:
    """What a flow run is called when it has ended: its day, and its release or how it ended."""
    release = report.get("release_id")
    return f"{day} {report['status']}" if release is None else f"{day} release {release}"


def run_tags(report: Report) -> list[str]:
    """Tags of a flow run that has ended: how it ended, its release, and whether an audit warned."""
    release = report.get("release_id")
    tags = [str(report["status"]).replace(" ", "-"), *([] if release is None else [f"release:{release}"])]
    return [*tags, *(["warned"] if report.get("warnings") else [])]


def _rows(report: Report) -> list[str]:
    names: dict[str, Callable[[Any], str]] = {
        "deliveries": ", ".join,
        "n_rows": _count, "n_accepted": _count, "n_rejected": _count, "n_known": _count, "n_records": _count,
        "records_in_all": _count, "train_records": _count, "n_users": _count, "n_items": _count,
    }  # fmt: skip
    counts = {name: shown(report[name]) for name, shown in names.items() if name in report}
    return _table(counts | {f"rejected: {reason}": _count(n) for reason, n in report.get("rejected", {}).items()})


def _semantic_ids(report: Report) -> list[str]:
    if "sid_metrics" not in report:
        return []
    used = ", ".join(f"{share:.0%}" for share in report["used_codes_share"])
    tokenizer = report["tokenizer"]
    decided = {"codebook": report["codebook_id"], "tokenizer": f"{tokenizer['mode']}: {'; '.join(tokenizer['why'])}"}
    return _table(
        decided | {"codes used by level": used} | {name: _rounded(figure) for name, figure in report["sid_metrics"].items()}
    )


def _gate(report: Report) -> list[str]:
    verdict = report.get("gate")
    if verdict is None:
        return []
    return [f"Policy `{report['policy_id']}`: {verdict}", "", f"It learned from release {report['learned_from_release']}."]


def _real_answers(report: Report) -> list[str]:
    rows = report.get("real_answers", ())
    figures = list(dict.fromkeys(name for row in rows for name in row if name not in ("policy", "policy_id")))
    if not figures:
        return []
    return _lined(["policy", *figures], ([row["policy"], *(_rounded(row.get(name)) for name in figures)] for row in rows))


def _table(figures: Mapping[str, Any]) -> list[str]:
    return _lined(["what", "figure"], figures.items()) if figures else []


def _lined(head: list[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_cell(value) for value in line) + " |" for line in lines]


def _listed(values: Iterable[Any]) -> list[str]:
    return [f"- {_cell(value)}" for value in values]


def _cell(value: Any) -> str:
    """A value within a line of a table: text of a log may hold the sign between columns."""
    return " ".join(str(value).split()).replace("|", "\\|") if value is not None else ""


def _count(value: int) -> str:
    return f"{value:,}"


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() else round(value, 4)

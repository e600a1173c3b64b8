"""The tables of a study's page."""

import polars as pl

COLUMNS = {
    "variant": "variant",
    "published": "published",
    "panel_reward": "panel, 95 % interval",
    "difference": "beside the first, paired",
    "verdict": "verdict",
    "worst_share": "worst family",
    "transferred": "own family, 95 % interval",
    "auc_in_slate": "AUC in real slates",
    "ndcg_in_slate": "NDCG@10 in real slates",
    "s_score": "S",
    "own": "where it learned, 95 % interval",
    "n_seeds": "seeds",
    "sd_over_seeds": "SD over seeds",
    "user_reward_variance": "variance over users",
    "depth": "depth",
    "temper_law": "patience spent",
    "distinct_items": "distinct items",
    "gini": "Gini",
    "unsupported_share": "places without support",
    "n_parameters": "parameters",
    "n_iterations": "iterations",
    "cpu_seconds": "CPU s, learning",
    "help": "help it had",
    "chosen": "chosen by the search",
}

_DIGITS = {
    **dict.fromkeys(("distinct_items", "cpu_seconds"), 0),
    **dict.fromkeys(("worst_share", "unsupported_share", "auc"), 3),
    **dict.fromkeys(("auc_in_slate", "ndcg_in_slate", "ece", "drift", "forecast_drift"), 4),
}


def table(frame: pl.DataFrame, columns: dict[str, str]) -> list[str]:
    """Markdown rows: a head, then a line a row; an interval stands with its mean, nothing where a value is missing."""
    lines = [f"| {' | '.join(columns.values())} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for row in frame.iter_rows(named=True):
        lines.append(f"| {' | '.join(_cell(row, name) for name in columns)} |")
    return lines


def _cell(row: dict[str, object], name: str) -> str:
    value = row[name]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    sign = "+" if name == "difference" else ""
    text = f"{value:{sign},.{_DIGITS.get(name, 2)}f}"
    if f"{name}_low" in row:
        low, high = (f"{row[f'{name}_{end}']:{sign}.{_DIGITS.get(name, 2)}f}" for end in ("low", "high"))
        text += f" [{low} … {high}]"
    return text


def plural(word: str, n: int) -> str:
    """The word, with an s unless there is one."""
    return word if n == 1 else f"{word}s"

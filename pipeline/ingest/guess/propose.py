"""From files to a commented configuration that reads them, with what it is unsure of."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.ingest import reasons
from pipeline.ingest.causes import hint_of
from pipeline.ingest.guess.content import means_no
from pipeline.ingest.guess.plan import Plan, name_of, plan_of
from pipeline.ingest.guess.trial import Trial, section_of, tried

_QUARANTINE_LIMIT = 0.01
_FEW_WORDS = 8
_COMMENTS = {
    "source.kind": "table: any log, by the names of its columns; others are published logs (docs/sources.md)",
    "source.name": "of the source in the warehouse; never change it",
    "source.separator": "what parts the fields",
    "source.quote": "no field is quoted",
    "source.multiline": "quoted fields may hold line breaks",
    "source.encoding": "as Python names it",
    "source.member": "which files of the zip",
    "source.has_header": "the first line is a row; names are given to the columns in their order",
    "source.time_unit": "s, ms or us since 1970, or iso for text",
    "source.time_format": "as strptime writes it",
    "source.positive": "answers that are positive; all: every row is",
    "source.positive_above": "a value above this is positive",
    "source.ids": "ids are texts and no numbers",
    "source.identity": "row: each row is an event, also where all its mapped columns are those of another",
    "source.lists": "columns that hold a list; a row is a slate",
    "source.columns": "docs/logs.md says what each means",
    "source.items": "the catalogue; its other columns become attributes",
    "source.users": "what is known of users; its other columns become attributes",
    "ingest.settle_hours": "the last line has no line end and is taken all the same",
    "records.slate_size": "K, items that are shown together",
    "embeddings.parts": "content: categories; cooccurrence: what is liked by the same users",
    "embeddings.width": "singular vectors kept",
    "sids.vocabulary": "codes a level; at most the number of distinct items",
}


@dataclass(frozen=True)
class Proposal:
    """A configuration for a log.

    Attributes:
        text: the file, TOML with comments.
        log: names of the event files.
        kind: the kind of source.
        doubts: what it is unsure of, a sentence each.
        trial: what its source read.
    """

    text: str
    log: Sequence[str]
    kind: str
    doubts: Sequence[str]
    trial: Trial


def propose(files: Sequence[Path], folder: Path, latest: datetime | None = None) -> Proposal:
    """Look at a log and what belongs to it, and write a configuration that reads it.

    Args:
        files: event files of one log, and its files of items and users, if there are any, in any order.
        folder: where the configuration will lie; its paths are relative to that.
        latest: a refresh refuses later times; None: it takes any.

    Raises:
        EmptyFileError: a file has no rows.
        SourceError: a file is missing or no table, there is no log among them, or something that a log needs is missing.
    """
    plan = plan_of(files)
    plan.source["name"] = name_of(plan)
    try:
        trial = tried(section_of(plan.source), latest=latest)
        plan, trial = _with_fewer_rejects(plan, trial, latest)
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise SourceError(
            f"{', '.join(plan.log)}: looked at, but the columns do not fit together ({fault}); name them by hand"
        ) from error
    doubts = [*plan.doubts, *_doubts_of(trial)]
    settings = _settings(plan, trial, folder)
    return Proposal(_toml(settings, doubts, plan.log), plan.log, plan.source["kind"], doubts, trial)


def _with_fewer_rejects(plan: Plan, trial: Trial, latest: datetime | None) -> tuple[Plan, Trial]:
    """The plan, or one that differs in how quotes are read, if more rows are read by that."""
    if not trial.n_rejected or plan.source["kind"] != "table" or trial.n_rejected < _QUARANTINE_LIMIT * trial.n_events:
        return plan, trial
    for change in ({"multiline": True}, {"quote": ""}, {"encoding": "latin-1"}):
        if change.items() <= plan.source.items() or (plan.source.get("quote") == "" and "multiline" in change):
            continue
        other = Plan({**plan.source, **change}, plan.doubts, plan.log, plan.is_open)
        try:
            read = tried(section_of(other.source), latest=latest)
        except (SourceError, ValidationError):
            continue
        if read.n_rejected < trial.n_rejected and read.n_events >= trial.n_events:
            plan, trial = other, read
    return plan, trial


def _doubts_of(trial: Trial) -> list[str]:
    found = []
    refused, all_rows = trial.rejects, trial.n_events + trial.n_rejected
    if refused.height:
        reason, count = refused["reason"].value_counts(sort=True).row(0)
        of_reason = refused.filter(pl.col("reason") == reason)
        first = of_reason.row(0, named=True)
        end = (
            "; above ingest.quarantine_limit (1 %) nothing is published" if refused.height > _QUARANTINE_LIMIT * all_rows else ""
        )
        found.append(
            f"{refused.height:,} of {all_rows:,} rows will be refused, {count:,} of them since {reason}, the first at "
            f"{first['file']}:{first['line']}: {_advice(reason, of_reason['raw'].head(100).to_list())}{end}"
        )
    if words := [(word, n) for word, n in trial.counted_as_no.items() if not means_no(word)]:
        shown = ", ".join(f"{word} ({n:,} rows)" for word, n in words[:_FEW_WORDS])
        found.append(f"as no count {shown}{' and others' if len(words) > _FEW_WORDS else ''}; mend positive if that is wrong")
    if trial.n_positive == 0:
        found.append("none of the rows that were read is positive; mend what is positive")
    elif trial.n_positive == trial.n_events:
        found.append("every row that was read is positive: Semantic IDs work, but retrain needs refusals to learn from")
    if not trial.is_whole:
        found.append(f"only the first {trial.n_events:,} events were looked at")
    if trial.n_items < 20 or trial.n_events < 100:
        found.append(f"{trial.n_events:,} events of {trial.n_items:,} items are few to learn Semantic IDs from")
    return found


def _advice(reason: str, raws: Sequence[str]) -> str:
    """What to do about rows that are refused, in a line."""
    if reason == reasons.UNKNOWN_ITEM:
        return "name a catalogue that has them, spelt as in the log, or leave out [source.items]"
    return reasons.advice(reason, "") or hint_of(reason, raws) or "mend the file or its mapping"


def _settings(plan: Plan, trial: Trial, folder: Path) -> dict[str, Any]:
    """All sections; paths relative to ``folder``."""
    source = {key: plan.source[key] for key in ("kind", "name", "path")} | plan.source
    for section in (source, *(source[what] for what in ("items", "users") if what in source)):
        for key in ("path", "ratings"):
            if key in section:
                section[key] = os.path.relpath(section[key], folder)
    settings: dict[str, Any] = {"source": source}
    if plan.is_open:
        settings["ingest"] = {"settle_hours": 0}
    all_positive = trial.n_positive == trial.n_events
    events_a_user = trial.n_events // max(1, trial.n_users)
    slate = 1 if all_positive else trial.usual_slate or max(1, min(10, events_a_user // 2))
    settings["records"] = {"slate_size": slate}
    has_categories = (
        "categories" in (source.get("columns") or {}) or "items" in source or source["kind"] in ("taobao", "movielens")
    )
    settings["embeddings"] = {"parts": ["content", "cooccurrence"] if has_categories else ["cooccurrence"]}
    n_users, n_items = trial.liked_in_training(slate)
    if (width := min(n_users, n_items) // 2) < 32:  # the order within a user may be another than in the file: some to spare
        settings["embeddings"]["width"] = max(1, width)
    settings["sids"] = {"vocabulary": _vocabulary(n_items)}
    return settings


def _vocabulary(n_items: int) -> int:
    """Codes a level for so many liked items: a power of two of at most a quarter of them, from 2 to 256."""
    codes = 2
    while codes < 256 and codes * 8 <= n_items:
        codes *= 2
    return codes


def _toml(settings: Mapping[str, Any], doubts: Sequence[str], log: Sequence[str]) -> str:
    shown = f"{', '.join(log[:3])}{f' and {len(log) - 3} more' if len(log) > 3 else ''}"
    lines = [
        f"# Written by hsrl init after a look at {_line(shown)}. Paths are relative to this file; all keys: flows/configs/table.toml."
    ]
    lines += [f"# Unsure: {_line(doubt)}." for doubt in doubts]
    for name, section in settings.items():
        lines += ["", *_section(name, section)]
    return "\n".join(lines) + "\n"


def _section(name: str, section: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]{_comment(name)}"]
    inner = {
        key: value for key, value in section.items() if isinstance(value, Mapping) and (key != "columns" or name == "source")
    }
    for key, value in section.items():
        if key not in inner:
            lines.append(f"{key} = {_value(value)}{_comment(f'{name}.{key}')}")
    for key, value in inner.items():
        lines += ["", *_section(f"{name}.{key}", value)]
    return lines


def _comment(key: str) -> str:
    return f"  # {_COMMENTS[key]}" if key in _COMMENTS else ""


def _value(value: Any) -> str:
    """A value in TOML, whose texts are those of JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=True)


def _line(text: str) -> str:
    """A text as it may stand in a comment: on one line, without marks that steer."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

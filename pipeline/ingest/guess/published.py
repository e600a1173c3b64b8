"""Published logs, told by their columns: of these a source is ready, and only paths are to be named."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.ingest.guess.form import Sample
from pipeline.ingest.ready import READY

_IMPRESSIONS = re.compile(r"\S+-[01]( \S+-[01])*")
_TAOBAO = {"pv", "buy", "cart", "fav"}
# Kinds told by the names of their columns; those that have more go first.
_NAMED = ("rl4rs", "kuairand", "obd", "amazon", "amazon-2023", "yelp")


def kind_of(sample: Sample) -> str | None:
    """The kind of source whose event file this is, if it is one of a published log."""
    names = set(sample.names)
    if sample.kind == "sequences":
        return "sequences"
    if sample.has_names and all(":" in name for name in names):
        plain = {name.rsplit(":", 1)[0] for name in names}
        return "recbole" if {"user_id", "item_id", "timestamp", "rating"} <= plain else None
    if not sample.has_names:
        return _of_nameless(sample)
    for kind in _NAMED:
        if _event_columns(kind) <= names and _fits_path(kind, sample):
            return kind
    return None


def _of_nameless(sample: Sample) -> str | None:
    if sample.kind != "text" or len(sample.names) != len(READY["taobao"]["names"]):
        return None
    last, words = sample.column(sample.names[-1]), set(sample.column(sample.names[-2]))
    if words and words <= _TAOBAO:
        return "taobao"
    is_mind = last and all(_IMPRESSIONS.fullmatch(cell) for cell in last) and sample.text.get("separator", "\t") == "\t"
    return "mind" if is_mind else None


def _event_columns(kind: str) -> set[str]:
    """The columns without which an event file of the kind is not read."""
    ready = READY[kind]
    in_path = set(re.findall(r"\{(\w+)\}", ready.get("path_columns", "")))
    return _names(ready["columns"]) - set(ready.get("may_lack", ())) - in_path


def _names(columns: dict[str, Any]) -> set[str]:
    return {name for value in columns.values() for name in ([value] if isinstance(value, str) else value)}


def _fits_path(kind: str, sample: Sample) -> bool:
    """Whether the path ends as the columns in it need: {policy}/{campaign}/{campaign}.csv."""
    template = READY[kind].get("path_columns")
    if template is None:
        return True
    parts = f"{sample.path.as_posix()}/{sample.member}".split("/") if sample.member else sample.path.as_posix().split("/")
    return len(parts) > 2 and parts[-1].rsplit(".", 1)[0] == parts[-2]


def fits_list(kind: str, what: str, sample: Sample) -> bool:
    """Whether a file is the one of ``items`` or ``users`` that a kind knows."""
    ready = READY[kind].get(what)
    if ready is None:
        return False
    if ready.get("format") == "map":
        return sample.kind == "map"
    if ready.get("names"):
        return not sample.has_names and len(sample.names) == len(ready["names"])
    plain = {name.rsplit(":", 1)[0] if ":" in name else name for name in sample.names}
    in_path = set(re.findall(r"\{(\w+)\}", ready.get("path_columns", "")))
    return _names(ready["columns"]) - set(ready.get("may_lack", ())) - in_path <= plain


def text_settings(kind: str, what: str | None, sample: Sample) -> dict[str, Any]:
    """How a file is written, as far as the ready source says it otherwise."""
    ready = READY[kind] if what is None else READY[kind][what]
    own = {"format"} if what or kind == "sequences" else set()
    return {key: value for key, value in sample.text.items() if key not in own and ready.get(key) != value}


def movielens_members(members: Sequence[str]) -> bool:
    """Whether the members of a zip or folder are those of MovieLens-1M or -100K."""
    names = {member.rsplit("/", 1)[-1] for member in members}
    return {"ratings.dat", "movies.dat", "users.dat"} <= names or {"u.data", "u.item", "u.user"} <= names

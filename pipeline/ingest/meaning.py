"""The settings that give the rows of a source their meaning: stored with the first release, and kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from pipeline.ingest.answers import canonical
from pipeline.ingest.config import ItemFile, SourceConfig, TableSource, UserFile
from pipeline.ingest.ids import IdKinds

# Where files lie, which days there are, how much arrives at once, what is only described (attributes): free to change. So are a
# separator (another parts no rows, and they are refused) and the files of items and users, but for the columns of their ids.
_FREE = {
    "name",
    "path",
    "ratings",
    "days",
    "delivery",
    "separator",
    "category_separator",
    "ids",
    "categories",
    "item_attributes",
    "user_attributes",
    "title",
}
# A warehouse of its own is the only way on: under other ids the old rows would be other users and items.
_FOR_GOOD = ("source.kind", "source.ids.")
_PREFIX = "source."


@dataclass(frozen=True)
class Meaning:
    """What one setting is, and the release since which it holds."""

    value: str
    since: int


@dataclass(frozen=True)
class Change:
    """A setting that is not what the stored rows were read by; values are JSON."""

    setting: str
    before: Meaning
    now: str

    @property
    def can_be_accepted(self) -> bool:
        """Whether rows read by the new value may stand beside the old ones."""
        return not self.setting.startswith(_FOR_GOOD)


def meaning_of(config: SourceConfig, kinds: IdKinds | None = None, *, counts_own_time: bool | None = None) -> dict[str, str]:
    """Setting → value as JSON, of all that gives ids, times, answers and identity their meaning.

    Args:
        config: the source's section.
        kinds: what ids are, once that is decided.
        counts_own_time: true where times count from a start of their own, false where they are of the calendar; None where that
            is not decided.
    """
    told = dict(_settings(config, _PREFIX))
    if isinstance(config, TableSource) and config.ids != "auto":
        kinds = IdKinds(config.ids, config.ids)
    if kinds is not None and kinds.is_decided:
        told |= {f"{_PREFIX}ids.user": json.dumps(kinds.user), f"{_PREFIX}ids.item": json.dumps(kinds.item)}
    if counts_own_time is not None:
        told[f"{_PREFIX}times"] = json.dumps("own start" if counts_own_time else "calendar")
    return told


def _settings(section: BaseModel, prefix: str) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in _FREE:
            continue
        if isinstance(value, ItemFile | UserFile):
            told += _settings(value.columns, f"{prefix}{name}.columns.")
            continue
        if name in ("items", "users") and value is None:  # a catalogue may come later; its ids then are what they are
            continue
        if isinstance(value, BaseModel):
            told += _settings(value, f"{prefix}{name}.")
            continue
        if name == "positive" and value is not None:
            value = sorted({canonical(text) for text in value})
        if name == "identity" and isinstance(value, list):
            value = sorted({*value} - {"user", "item"})
        told.append((prefix + name, json.dumps(value, separators=(",", ":"), default=str)))
    return told


def kinds_in(stored: Mapping[str, Meaning]) -> IdKinds | None:
    """What ids are by what is stored."""
    user, item = (stored.get(f"{_PREFIX}ids.{what}") for what in ("user", "item"))
    return IdKinds(json.loads(user.value), json.loads(item.value)) if user and item else None


def counts_own_time(stored: Mapping[str, Meaning]) -> bool | None:
    """Whether times count from a start of their own, by what is stored; None where nothing is."""
    times = stored.get(f"{_PREFIX}times")
    return None if times is None else json.loads(times.value) == "own start"


def changes(stored: Mapping[str, Meaning], now: Mapping[str, str]) -> list[Change]:
    """Settings that are other than what is stored, the kind of the source first."""
    found = [Change(name, stored[name], value) for name, value in now.items() if name in stored and stored[name].value != value]
    return sorted(found, key=lambda change: change.setting != "source.kind")

"""The settings that give the rows of a source their meaning: stored with the first release, and kept."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.section import SourceSection

# A warehouse of its own is the only way on: under other ids the old rows would be other users and items.
_FOR_GOOD = ("source.kind", "source.ids.")
_PREFIX = "source."
# Accepting it publishes a delivery that differs from the last ones more than the audit of this name allows.
DRIFT = "delivery_drift"


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


def meaning_of(config: SourceSection, kinds: IdKinds | None = None, *, counts_own_time: bool | None = None) -> dict[str, str]:
    """Setting → value as JSON, of all that gives ids, times, answers and identity their meaning.

    Args:
        config: the source's section.
        kinds: what ids are, once that is decided.
        counts_own_time: true where times count from a start of their own, false where they are of the calendar; None where that
            is not decided.
    """
    meaning = dict(config.meaning())
    kinds = config.id_kinds() or kinds
    if kinds is not None and kinds.is_decided:
        meaning |= {f"{_PREFIX}ids.user": json.dumps(kinds.user), f"{_PREFIX}ids.item": json.dumps(kinds.item)}
    if counts_own_time is not None:
        meaning[f"{_PREFIX}times"] = json.dumps("own start" if counts_own_time else "calendar")
    return meaning


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


def require_acceptable(config: SourceSection, accept: Sequence[str]) -> None:
    """Refuse names that cannot be accepted.

    Raises:
        ConfigError: a name is no setting with a meaning and no audit of deliveries, or takes a new warehouse.
    """
    known = [DRIFT, *meaning_of(config)]
    for name in accept:
        if name in ("source.kind", "source.ids.user", "source.ids.item", "source.times"):
            raise ConfigError(
                f"{name} cannot be accepted: under other ones old rows mean something else; name another --warehouse"
            )
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"
            raise ConfigError(f"--accept {name}: no such change; {hint}")


def require_same_meaning(stored: Mapping[str, Meaning], config: SourceSection, accept: Sequence[str]) -> None:
    """Refuse settings under which the rows of a new delivery would mean something else than the stored ones.

    Raises:
        ConfigError: names the setting, both values, and how to go on.
    """
    changed = [change for change in changes(stored, meaning_of(config)) if change.setting not in accept]
    for change in changed[:1]:
        more = f" (and {', '.join(other.setting for other in changed[1:])})" if changed[1:] else ""
        way = (
            f"or, if the raw files changed, go on with: hsrl refresh {' '.join(f'--accept {change.setting}' for change in changed)}"
            if all(change.can_be_accepted for change in changed)
            else "rows of both cannot stand in one"
        )
        raise ConfigError(
            f"{change.setting} is {change.now}, but the rows of {config.name} were read with {change.before.value} since "
            f"release {change.before.since}{more}; put it back, name another --warehouse, {way}"
        )

"""Keeps the meaning of a source from changing unseen: refused by name, unless the change is accepted, which is recorded."""

import difflib
from collections.abc import Mapping, Sequence

import polars as pl

from flows.runtime.settings import Settings
from pipeline.contracts import rows_of
from pipeline.errors import ConfigError
from pipeline.ingest.meaning import Meaning, changes, meaning_of
from pipeline.warehouse.tables import SOURCE_MEANINGS
from pipeline.warehouse.warehouse import Warehouse

DRIFT = "delivery_drift"


def require_acceptable(settings: Settings, accept: Sequence[str]) -> None:
    """Refuse names that cannot be accepted.

    Raises:
        ConfigError: a name is no setting with a meaning and no audit of deliveries, or takes a new warehouse.
    """
    known = [DRIFT, *meaning_of(settings.source)]
    for name in accept:
        if name in ("source.kind", "source.ids.user", "source.ids.item", "source.times"):
            raise ConfigError(
                f"{name} cannot be accepted: under other ones old rows mean something else; name another --warehouse"
            )
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"
            raise ConfigError(f"--accept {name}: no such change; {hint}")


def stored_meaning(warehouse: Warehouse, source: str) -> dict[str, Meaning]:
    """What gives the stored rows of a source their meaning: setting → value and since when; empty before the first release."""
    rows = warehouse.query(
        "SELECT setting, value, release_id FROM source_meanings WHERE source = $source "
        "QUALIFY row_number() OVER (PARTITION BY setting ORDER BY release_id DESC) = 1",
        {"source": source},
    )
    return {setting: Meaning(value, since) for setting, value, since in rows.iter_rows()}


def require_same_meaning(stored: Mapping[str, Meaning], settings: Settings, accept: Sequence[str]) -> None:
    """Refuse settings under which tonight's rows would mean something else than the stored ones.

    Raises:
        ConfigError: names the setting, both values, and how to go on.
    """
    changed = [change for change in changes(stored, meaning_of(settings.source)) if change.setting not in accept]
    for change in changed[:1]:
        more = f" (and {', '.join(other.setting for other in changed[1:])})" if changed[1:] else ""
        way = (
            f"or, if the raw files changed, go on with: hsrl refresh {' '.join(f'--accept {each.setting}' for each in changed)}"
            if all(each.can_be_accepted for each in changed)
            else "rows of both cannot stand in one"
        )
        raise ConfigError(
            f"{change.setting} is {change.now}, but the rows of {settings.source.name} were read with {change.before.value} since "
            f"release {change.before.since}{more}; put it back, name another --warehouse, {way}"
        )


def meaning_rows(stored: Mapping[str, Meaning], now: Mapping[str, str], source: str, release_id: int) -> pl.DataFrame:
    """SOURCE_MEANINGS that the release adds: what is new, or was accepted to be another."""
    fresh = [
        {"source": source, "setting": setting, "value": value, "release_id": release_id}
        for setting, value in now.items()
        if setting not in stored or stored[setting].value != value
    ]
    return rows_of(SOURCE_MEANINGS, fresh, "ingest")

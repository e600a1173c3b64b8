"""What a refresh finds: the last release's tables, files and frozen artifacts, and whether the settings still fit them."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.runtime.settings import Settings
from flows.stores.models import of_codebook
from pipeline.contracts import CODEBOOKS, EMBEDDINGS, ITEMS, SID_HISTORY, SID_WAITING, SPLITS, USERS
from pipeline.errors import ConfigError, all_faults
from pipeline.sids.codebook import Codebook
from pipeline.sids.inputs import SidIncumbents
from pipeline.warehouse.artifacts import inside
from pipeline.warehouse.release import Release
from pipeline.warehouse.warehouse import Warehouse

# Settings that records and states were cut by: another value would tear the user's sequence.
_FOR_LIFE = (("source", "name"), ("ingest", "buckets"), ("records", "slate_size"), ("records", "history_length"))
# Settings of the tokenizer: another value takes a rebuild.
_UNTIL_REBUILD = ("embeddings", "sids")
# … but for these, which only say how tonight's items are treated, or how hard the next learning tries.
_FREE = {
    *("epsilon", "mode", "churn_budget", "max_error_ratio", "beam_width", "tombstone_nights", "iterations", "joint_rounds"),
    *("guard_rails", "vector_guard", "explained_drop_limits", "strayed_limits", "lost_signal_limits"),
    *("fallback_rise_limits", "lost_columns_limits"),
    # Where tonight's vectors lie and how many may lack is free as well: what they are is asked of the file.
    *("external_path", "external_ids_path", "external_max_missing"),
}
_EARLIER_CODES = 7  # codebooks of the numbering that a night may go back to
NO_STATE = "none"
LEFT_BEHIND = "came after release "  # how sid_missing says that a rollback left an item behind


@dataclass(frozen=True)
class Incumbent:
    """The warehouse before the run; empty before the first release.

    Attributes:
        release: the last one.
        items, users, splits: ITEMS, USERS, SPLITS.
        history: SID_HISTORY, open and closed rows.
        codebook: the one that tonight's items are encoded with; None where one has to be learned.
        events, records, state: Parquet files, which name their bucket.
        state_id: artifact that holds the state.
        known_hashes: sha256 of every raw file taken in.
        waiting_hashes: those of them whose last line has no line end and waits in quarantine.
        kin: ids of all codebooks with the numbering of ``codebook``.
        reserved_from: rows of sid_history closed in this release or later still hold their place.
        embeddings: Parquet files of the last release's vectors.
        waiting: SID_WAITING: who had to wait for a move last night.
        last_night: the last release that was a refresh; 0 before the first.
        earlier: the last codebooks of the numbering of ``codebook`` beside it, in any order.
        n_ingests: deliveries taken in.
    """

    release: Release | None
    items: pl.DataFrame
    users: pl.DataFrame
    splits: pl.DataFrame
    history: pl.DataFrame
    codebook: Codebook | None
    events: list[Path]
    records: list[Path]
    state: list[Path]
    state_id: str
    known_hashes: frozenset[str]
    waiting_hashes: frozenset[str]
    same_numbering_ids: frozenset[str]
    reserved_from: int
    embeddings: list[Path]
    waiting: pl.DataFrame
    last_night: int
    earlier: tuple[Codebook, ...]
    n_ingests: int

    def sids(self) -> SidIncumbents:
        """What the nightly decision takes of it; reads the last release's vectors, where tonight's can be compared with them."""
        embeddings = EMBEDDINGS.empty()
        if self.codebook is not None and self.embeddings:
            read = pl.read_parquet(self.embeddings).select(list(EMBEDDINGS.schema))
            embeddings = of_codebook(read, self.codebook.embedding_id)
        return SidIncumbents(
            history=self.history,
            codebook=self.codebook,
            same_numbering_ids=self.same_numbering_ids,
            earlier=self.earlier,
            waiting=self.waiting,
            last_night=self.last_night,
            reserved_from=self.reserved_from,
            embeddings=embeddings,
        )


def read_incumbent(warehouse: Warehouse, settings: Settings, *, rebuild: bool) -> Incumbent:
    """Read the last release.

    Raises:
        ConfigError: a setting changed that the warehouse was built by.
    """
    require_same_settings(warehouse, settings, rebuild=rebuild)
    states = warehouse.query("SELECT artifact_id, path FROM artifacts WHERE kind = 'user_state' ORDER BY release_id DESC LIMIT 1")
    state_id, folder = states.row(0) if states.height else (NO_STATE, None)
    codebook = None if rebuild else current_codebook(warehouse)
    same_numbering_ids = warehouse.query(
        "SELECT DISTINCT codebook_id FROM codebooks WHERE numbering_id = $numbering",
        {"numbering": codebook.numbering_id if codebook else ""},
    )
    refreshes = _refreshes(warehouse)
    nights = settings.sids.tombstone_nights
    return Incumbent(
        release=warehouse.latest_release(),
        items=warehouse.read(ITEMS, "FROM items ORDER BY item_id"),
        users=warehouse.read(USERS, "FROM users ORDER BY user_id"),
        splits=warehouse.read(SPLITS, "FROM splits ORDER BY user_id"),
        history=warehouse.read(SID_HISTORY, "FROM sid_history ORDER BY item_id, valid_from"),
        codebook=codebook,
        events=warehouse.files("events"),
        records=warehouse.files("record_rows"),
        state=sorted(inside(warehouse.root, folder).glob("*.parquet")) if folder else [],
        state_id=state_id,
        known_hashes=frozenset(warehouse.query("SELECT sha256 FROM ingest_files")["sha256"]),
        waiting_hashes=frozenset(
            warehouse.query("SELECT sha256 FROM ingest_lines GROUP BY sha256 HAVING min(n_open) = 1")["sha256"]
        ),
        same_numbering_ids=frozenset(same_numbering_ids["codebook_id"]),
        reserved_from=0 if len(refreshes) < nights else refreshes[nights - 1] if nights else refreshes[0] + 2,
        embeddings=warehouse.files("embeddings"),
        waiting=warehouse.read(SID_WAITING, "FROM sid_waiting ORDER BY item_id"),
        last_night=refreshes[0] if refreshes else 0,
        earlier=_earlier_codes(warehouse, codebook) if codebook else (),
        n_ingests=int(warehouse.query("SELECT count(*) FROM ingests").item()),
    )


def _earlier_codes(warehouse: Warehouse, codebook: Codebook) -> tuple[Codebook, ...]:
    """The last codebooks of the same numbering."""
    rows = warehouse.query(
        "FROM codebooks WHERE numbering_id = $numbering AND codebook_id IN (SELECT codebook_id FROM sid_history "
        f"WHERE codebook_id <> $own GROUP BY codebook_id ORDER BY min(valid_from) DESC LIMIT {_EARLIER_CODES})",
        {"numbering": codebook.numbering_id, "own": codebook.codebook_id},
    ).cast(CODEBOOKS.schema)
    return tuple(Codebook.from_frame(book) for book in rows.partition_by("codebook_id"))


def _refreshes(warehouse: Warehouse) -> list[int]:
    """Releases that were nights, the latest first."""
    return warehouse.query("SELECT release_id FROM releases WHERE kind IN ('refresh', 'rebuild') ORDER BY release_id DESC")[
        "release_id"
    ].to_list()


def current_codebook(warehouse: Warehouse) -> Codebook | None:
    """The codebook of the open SIDs, its bytes checked against its id."""
    rows = warehouse.read(CODEBOOKS, "FROM codebooks WHERE codebook_id IN (SELECT codebook_id FROM sids)")
    return Codebook.from_frame(rows) if rows.height else None


def items_without_vector(warehouse: Warehouse) -> int:
    """Items that came after the vectors, as a rollback to an older embedding model leaves them until the next refresh."""
    if warehouse.latest_release() is None:
        return 0
    return warehouse.query("SELECT item_id FROM items ANTI JOIN embeddings ON embeddings.item_id = items.item_id").height


def items_left_behind(warehouse: Warehouse) -> int:
    """Items that a rollback left without a vector or a Semantic ID until the next refresh, as they came after the release it went back to."""
    if warehouse.latest_release() is None:
        return 0
    missing = warehouse.query("SELECT item_id FROM sid_missing WHERE starts_with(reason, $why)", {"why": LEFT_BEHIND})
    return missing.height + items_without_vector(warehouse)


def require_same_settings(warehouse: Warehouse, settings: Settings, *, rebuild: bool) -> None:
    """Refuse settings that do not fit what the last refresh published.

    Raises:
        ConfigError: names the setting, both values, and what to do.
    """
    last = warehouse.query("SELECT config FROM releases WHERE kind <> 'retrain' ORDER BY release_id DESC LIMIT 1")
    if last.is_empty():
        return
    before, now = json.loads(last.item()), settings.model_dump(mode="json")
    faults = [
        f"{section}.{key} is {now[section][key]!r}, but {warehouse.root} was built with {before[section][key]!r}; "
        "set it back, or name another --warehouse"
        for section, key in _FOR_LIFE
        if before[section][key] != now[section][key]
    ]
    faults += [
        f"{section}.{key} is {now[section][key]!r}, but the Semantic IDs were made with {before[section].get(key)!r}; "
        "set it back, or make new ones with: hsrl refresh --rebuild"
        for section in (() if rebuild else _UNTIL_REBUILD)
        for key in now[section]
        if key not in _FREE and before[section].get(key) != now[section][key]
    ]
    if faults:
        raise ConfigError(all_faults(faults))

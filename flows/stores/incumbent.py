"""What a refresh finds: the last release's tables, files and Semantic IDs, and whether the settings still fit them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.contracts import CODEBOOKS, EMBEDDINGS, ITEMS, SID_HISTORY, SID_WAITING, SPLITS, USERS
from pipeline.errors import ConfigError, all_faults
from pipeline.sids.codebook import Codebook
from pipeline.sids.inputs import SidIncumbents
from pipeline.warehouse.release import Release
from pipeline.warehouse.statements import statement
from pipeline.warehouse.stored_files import StoredFile, scan
from pipeline.warehouse.warehouse import Warehouse

# Settings that records and states were cut by: another value would tear the user's sequence.
_FOR_LIFE = (("source", "name"), ("ingest", "buckets"), ("records", "slate_size"), ("records", "history_length"))
# Settings of the tokenizer: another value takes a rebuild.
_UNTIL_REBUILD = ("embeddings", "sids")
# … but for these, which only say how tonight's items are treated, or how hard the next learning tries.
_FREE = {
    *(
        "epsilon",
        "mode",
        "churn_budget",
        "max_error_ratio",
        "beam_width",
        "tombstone_nights",
        "iterations",
        "joint_rounds",
        "balance",
    ),
    *("guard_rails", "vector_guard", "explained_drop_limits", "strayed_limits", "lost_signal_limits"),
    *("fallback_rise_limits", "lost_columns_limits"),
    # Where tonight's vectors are and how many may be missing is free as well: what they are is asked of the file.
    *("external_path", "external_ids_path", "external_max_missing"),
}
_MOST_EARLIER_CODEBOOKS = 7  # of the numbering, that a night may go back to
_NO_STATE = "none"
LEFT_BEHIND = "came after release "  # how sid_missing says that a rollback left an item behind


@dataclass(frozen=True)
class Tables:
    """The small tables of a release, whole: ITEMS, USERS and SPLITS, each by its id."""

    items: pl.DataFrame
    users: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class StoredFiles:
    """The Parquet files of a release.

    Attributes:
        events, records, state: each holds a bucket of users, which its name says.
        state_id: the artifact that holds the user states.
        embeddings: vectors of all items.
    """

    events: list[StoredFile]
    records: list[StoredFile]
    state: list[Path]
    state_id: str
    embeddings: list[StoredFile]


@dataclass(frozen=True)
class PastIngest:
    """A delivery as it was taken in once.

    Attributes:
        ingest_id: its id.
        files: that it read, each with its name, sha256 and bytes.
        replaces: earlier ingests of the delivery whose events went.
        n_known: its rows that the warehouse already had.
        n_quarantined: its rows that are in quarantine.
    """

    ingest_id: str
    files: tuple[tuple[str, str, int], ...]
    replaces: tuple[str, ...]
    n_known: int
    n_quarantined: int


@dataclass(frozen=True)
class KnownFiles:
    """What the warehouse knows of raw files.

    Attributes:
        waiting: sha256 of the files whose last line has no line end and waits in quarantine.
        deliveries: source and id of a delivery → its ingests, the first first.
    """

    waiting: frozenset[str] = frozenset()
    deliveries: Mapping[tuple[str, str], list[PastIngest]] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """Of all ingests."""
        return frozenset(ingest.ingest_id for past in self.deliveries.values() for ingest in past)

    def standing(self, goes: Iterable[str]) -> frozenset[str]:
        """The sha256 of the files whose events stand when those of some ingests go as well."""
        ingests = [ingest for past in self.deliveries.values() for ingest in past]
        gone = {replaced for ingest in ingests for replaced in ingest.replaces}.union(goes)
        return frozenset(sha256 for ingest in ingests if ingest.ingest_id not in gone for _, sha256, _ in ingest.files)


@dataclass(frozen=True)
class Incumbent:
    """The warehouse before the run; empty before the first release.

    Attributes:
        release: the last release.
        n_ingests: deliveries taken in.
        tables: of the last release.
        files: of the last release.
        sids: what earlier nights decided, but for the vectors (see ``with_vectors``); no codebook where a new one is to be learned.
    """

    release: Release | None
    n_ingests: int
    tables: Tables
    files: StoredFiles
    sids: SidIncumbents

    def with_vectors(self) -> SidIncumbents:
        """What earlier nights decided, with the last release's vectors where tonight's can be compared with them."""
        if self.sids.codebook is None or not self.files.embeddings:
            return self.sids
        from flows.stores.models import of_codebook  # and with it SciPy

        stored = scan(self.files.embeddings, EMBEDDINGS).collect()
        return replace(self.sids, embeddings=of_codebook(stored, self.sids.codebook.embedding_id))


def read_incumbent(warehouse: Warehouse, tombstone_nights: int, *, rebuild: bool) -> Incumbent:
    """Read the last release.

    Args:
        warehouse: the warehouse.
        tombstone_nights: nights for which the Semantic ID of a removed item is not given to another.
        rebuild: whether a new codebook is to be learned.
    """
    return Incumbent(
        release=warehouse.latest_release(),
        n_ingests=int(warehouse.query("SELECT count(*) FROM ingests").item()),
        tables=Tables(
            items=warehouse.read(ITEMS, "FROM items ORDER BY item_id"),
            users=warehouse.read(USERS, "FROM users ORDER BY user_id"),
            splits=warehouse.read(SPLITS, "FROM splits ORDER BY user_id"),
        ),
        files=_stored_files(warehouse),
        sids=_sid_incumbents(warehouse, None if rebuild else current_codebook(warehouse), tombstone_nights),
    )


def known_files(warehouse: Warehouse) -> KnownFiles:
    """What the warehouse knows of raw files."""
    return KnownFiles(
        waiting=frozenset(warehouse.query(statement("raw_files_waiting"))["sha256"]),
        deliveries=_past_ingests(warehouse),
    )


def _past_ingests(warehouse: Warehouse) -> dict[tuple[str, str], list[PastIngest]]:
    found: dict[tuple[str, str], list[PastIngest]] = {}
    for row in warehouse.query(statement("ingests_by_delivery")).iter_rows(named=True):
        files = tuple((file["file"], file["sha256"], file["bytes"]) for file in row["read"] or ())
        ingest = PastIngest(row["ingest_id"], files, tuple(row["replaces"]), row["n_known"], row["n_quarantined"])
        found.setdefault((row["source"], row["delivery_id"]), []).append(ingest)
    return found


def _stored_files(warehouse: Warehouse) -> StoredFiles:
    states = warehouse.query(statement("last_user_state"))
    state_id = states["artifact_id"][0] if states.height else _NO_STATE
    return StoredFiles(
        events=warehouse.stored_files("events"),
        records=warehouse.stored_files("record_rows"),
        state=sorted(warehouse.artifacts.path("user_state", state_id).glob("*.parquet")) if states.height else [],
        state_id=state_id,
        embeddings=warehouse.stored_files("embeddings"),
    )


def _sid_incumbents(warehouse: Warehouse, codebook: Codebook | None, tombstone_nights: int) -> SidIncumbents:
    """What earlier nights decided, without the last release's vectors."""
    nights = warehouse.query(statement("nights"))["release_id"].to_list()  # the latest first
    numbering = {"numbering": codebook.numbering_id if codebook else ""}
    return SidIncumbents(
        history=warehouse.read(SID_HISTORY, "FROM sid_history ORDER BY item_id, valid_from"),
        codebook=codebook,
        same_numbering_ids=frozenset(warehouse.query(statement("codebooks_of_numbering"), numbering)["codebook_id"]),
        earlier=_earlier_codebooks(warehouse, codebook) if codebook else (),
        explained=dict(warehouse.query(statement("explained_by_codebooks"), numbering).iter_rows()),
        waiting=warehouse.read(SID_WAITING, "FROM sid_waiting ORDER BY item_id"),
        last_night=nights[0] if nights else 0,
        reserved_from=_reserved_from(nights, tombstone_nights),
    )


def _reserved_from(nights: list[int], tombstone_nights: int) -> int:
    """The release from which on a closed row still holds its Semantic ID; ``nights`` begin with the latest."""
    if not nights or len(nights) < tombstone_nights:
        return 0
    return nights[tombstone_nights - 1] if tombstone_nights else nights[0] + 2  # no row was closed so late


def _earlier_codebooks(warehouse: Warehouse, codebook: Codebook) -> tuple[Codebook, ...]:
    """The last codebooks of the same numbering."""
    bound = {"numbering": codebook.numbering_id, "own": codebook.codebook_id, "most": _MOST_EARLIER_CODEBOOKS}
    rows = warehouse.read(CODEBOOKS, statement("earlier_codebooks"), bound)
    return tuple(Codebook.from_frame(book) for book in rows.partition_by("codebook_id"))


def current_codebook(warehouse: Warehouse) -> Codebook | None:
    """The codebook of the open SIDs, its bytes checked against its id."""
    rows = warehouse.read(CODEBOOKS, statement("current_codebook"))
    return Codebook.from_frame(rows) if rows.height else None


def items_without_vector(warehouse: Warehouse) -> int:
    """How many items came after the vectors, as a rollback to an older embedding model leaves them until the next refresh."""
    if warehouse.latest_release() is None:
        return 0
    return warehouse.query(statement("items_without_vector")).height


def items_left_behind(warehouse: Warehouse) -> int:
    """How many items a rollback left without a vector or a Semantic ID, as they came later; the next refresh gives them both."""
    if warehouse.latest_release() is None:
        return 0
    missing = warehouse.query(statement("items_left_behind"), {"reason": LEFT_BEHIND})
    return missing.height + items_without_vector(warehouse)


def require_same_settings(warehouse: Warehouse, sections: Mapping[str, Any], *, rebuild: bool) -> None:
    """Refuse settings that do not fit what the last refresh published.

    Args:
        warehouse: the warehouse.
        sections: the run's settings as plain values: section → key → value.
        rebuild: whether a new codebook is to be learned, which takes any settings of the tokenizer.

    Raises:
        ConfigError: names the setting, both values, and what to do.
    """
    last = warehouse.query(statement("settings_of_last_refresh"))
    if last.is_empty():
        return
    before = json.loads(last.item())
    faults = [
        f"{section}.{key} is {sections[section][key]!r}, but {warehouse.root} was built with {before[section][key]!r}; "
        "set it back, or name another --warehouse"
        for section, key in _FOR_LIFE
        if before[section][key] != sections[section][key]
    ]
    faults += [
        f"{section}.{key} is {sections[section][key]!r}, but the Semantic IDs were made with {before[section].get(key)!r}; "
        "set it back, or make new ones with: hsrl refresh --rebuild"
        for section in (() if rebuild else _UNTIL_REBUILD)
        for key in sections[section]
        if key not in _FREE and before[section].get(key) != sections[section][key]
    ]
    if faults:
        raise ConfigError(all_faults(faults))

"""`hsrl forget`: a user or an item is erased from everything that comes after; what still holds it is named, until it expires."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from flows.maintenance.erase import Erasure, Subject, count_events, erase
from flows.maintenance.mentions import Mention, audits_without, blank_messages, drop_pages
from flows.refresh.external_vectors import find_external_files
from flows.refresh.forgotten import Forgotten, Kind, hash_of
from flows.refresh.forgotten_rows import RefusedRows, part_refused
from flows.refresh.likes import discard_older_sums
from flows.refresh.meaning import stored_meaning
from flows.refresh.release_changes import changes_of
from flows.refresh.release_inputs import ReleaseInputs
from flows.refresh.semantic_ids import make_semantic_ids
from flows.refresh.staging import KIND as STAGED_DELIVERIES
from flows.runtime.context import RunContext
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.runtime.sid_settings import SidSettings
from flows.runtime.steps import DirectSteps
from flows.stores.incumbent import Incumbent, Tables, read_incumbent, require_same_settings
from pipeline.contracts import RECORD_ROWS, SID_HISTORY, rows_of
from pipeline.errors import ConfigError
from pipeline.ingest.cells import hash_of_id
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.meaning import kinds_in, require_same_meaning
from pipeline.ingest.section import SourceSection
from pipeline.records.split import make_splits
from pipeline.warehouse.artifact_rows import Artifact, artifact_rows
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.stored_files import scan
from pipeline.warehouse.tables import FORGOTTEN, QUARANTINE, REBUILT_USERS, TABLES
from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse

_STAGED = "forget"
# What killed nights staged holds rows of users, too; it is cheap to stage again.
_STAGED_KINDS = (_STAGED, STAGED_DELIVERIES, "rest", "embeddings")


@dataclass(frozen=True)
class _Request:
    """Who is to be forgotten.

    Attributes:
        kind: user or item.
        raw_id: its id as the raw log spells it.
        number: its id in the warehouse.
        since: the release since which it is forgotten already; None where it is not.
        refused: the quarantine, parted by whose its rows are.
    """

    kind: Kind
    raw_id: str
    number: int
    since: int | None
    refused: RefusedRows

    @property
    def subject(self) -> Subject:
        """Its rows."""
        return Subject(users=[self.number]) if self.kind == "user" else Subject(items=[self.number])

    @property
    def mention(self) -> Mention:
        """Its name in texts."""
        return Mention(self.raw_id, self.number)

    @property
    def n_refused(self) -> int:
        """Rows of the quarantine that name it."""
        return self.refused.theirs.height + self.refused.n_blanked


@naming_damage
def forget(settings: Settings, root: Path, kind: Kind, raw_id: str, run: Run, *, dry_run: bool = False) -> dict[str, Any]:
    """Erase a user or an item, and publish the release without it.

    Gone are its events, what its records held (the slates of those who saw an item are cut anew), its rows of users, items,
    splits and Semantic IDs, its rows in quarantine, what killed nights staged, the morning pages that name it, and the files that had
    any of it are written again; vectors are folded again without what it had told. Raw files that bring it again bring it in vain.
    Releases of before hold it until ``hsrl gc`` expires them.

    Args:
        settings: as of the last refresh.
        root: folder of the warehouse.
        kind: user or item.
        raw_id: its id as the raw log spells it.
        run: the run.
        dry_run: only say what would go.

    Raises:
        ConfigError: nobody has this id, or the settings are not those of the warehouse.
        WarehouseError: there is no warehouse, or another run was writing all the time.
    """
    config = settings.model_dump(mode="json")
    with (
        Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say),
    ):
        require_same_settings(warehouse, config, rebuild=False)
        require_same_meaning(
            stored_meaning(warehouse, settings.source.name), settings.source, ()
        )  # it says whose a refused row is
        require_intact(warehouse, (*TABLES, "user_state", "like_sums", "embedding_model"))
        incumbent = read_incumbent(warehouse, settings.sids.tombstone_nights, rebuild=False)
        with run.stage("look for it"):
            request = _request(warehouse, incumbent, settings.source, kind, raw_id)
            report = _report(warehouse, request, count_events(incumbent.files, request.subject))
        is_left = request.since is None or request.n_refused > 0
        if dry_run:
            return report | {"status": "planned" if is_left else "forgotten already"}
        context = RunContext(warehouse, run, DirectSteps())
        with record_run(warehouse, run, config) as outcome:
            n_messages = blank_messages(warehouse, run.run_id, request.mention)
            if is_left:
                outcome.release_id = _publish(context, incumbent, request, settings.semantic_ids(), config)
                discard_older_sums(warehouse)
            for staged in _STAGED_KINDS:
                warehouse.staging.discard_all(staged)
            n_pages = drop_pages(root, request.mention)
        status = "published" if is_left else "forgotten already"
        done = {"release_id": outcome.release_id, "n_messages": n_messages, "n_pages": n_pages, "seconds": run.seconds}
        return report | {"status": status} | done


def _request(warehouse: Warehouse, incumbent: Incumbent, source: SourceSection, kind: Kind, raw_id: str) -> _Request:
    """Who is meant: somebody of the last release, somebody of whom rows were refused only, or somebody forgotten before.

    Raises:
        ConfigError: nobody has this id.
    """
    table = incumbent.tables.users if kind == "user" else incumbent.tables.items
    found = table.filter(raw_id=raw_id)[f"{kind}_id"]
    number = int(found[0]) if len(found) else _number_of(raw_id, kind, kinds_in(stored_meaning(warehouse, source.name)))
    hashes = frozenset([hash_of(kind, number)])
    since = warehouse.query(
        "SELECT release_id FROM forgotten WHERE id_sha256 IN (SELECT unnest($names))", {"names": list(hashes)}
    )
    refused = part_refused(
        warehouse.read(QUARANTINE, "FROM quarantine"), Forgotten(**{f"{kind}s": hashes}), source
    )  # all of it, so that it can be written whole
    request = _Request(kind, raw_id, number, next(iter(since["release_id"]), None), refused)
    if not (len(found) or since.height or (request.n_refused and incumbent.release)):
        raise ConfigError(f"{kind} {raw_id!r}: no such {kind} among {table.height:,}; give the id as the raw log spells it")
    return request


def _number_of(raw_id: str, kind: Kind, kinds: IdKinds | None) -> int:
    """The id in the warehouse of somebody who is not in the last release."""
    is_whole = kinds is not None and kinds.of(kind) == "integer" and raw_id.lstrip("-").isdecimal()
    return int(raw_id) if is_whole else hash_of_id(raw_id)


def _report(warehouse: Warehouse, request: _Request, n_events: int) -> dict[str, Any]:
    """What goes, and what still holds it."""
    learned = warehouse.query("SELECT policy_id FROM policies WHERE is_published")["policy_id"].to_list()
    return {
        "kind": request.kind,
        "id": request.raw_id,
        "since": request.since,
        "n_events": n_events,
        "n_quarantined": request.refused.theirs.height,
        "n_blanked": request.refused.n_blanked,
        "held_by_releases": warehouse.open_releases(),
        "held_by_policies": learned,
    }


def _publish(context: RunContext, incumbent: Incumbent, request: _Request, settings: SidSettings, config: dict[str, Any]) -> int:
    warehouse, run, subject = context.warehouse, context.run, request.subject
    release_id = warehouse.next_release_id()
    name = fingerprint("forget", release_id, list(_hashes(subject)))
    folder = warehouse.staging.path(_STAGED, name)
    warehouse.staging.discard(_STAGED, name)  # of a run that was killed: cheap to write again
    with run.stage("write without it"):
        erasure = erase(incumbent.files, subject, settings.n_buckets, settings.records, folder, name)
    with run.stage("semantic ids") as tick:
        inputs = _inputs(warehouse, settings, incumbent, erasure, subject, release_id)
        sids = make_semantic_ids(warehouse, settings, inputs, tick)
    with run.stage("audits and publish"):
        changes = _with_erasure(
            warehouse, changes_of(warehouse, run.run_id, inputs, sids, {}), inputs, erasure, request, (run.run_id, name)
        )
        made_from = (*_all_ingests(warehouse), sids.models.embedding_id, sids.decision.codebook.codebook_id)
        draft = ReleaseDraft(run.run_id, "forget", code_version(), config, settings.seed, made_from)
        warehouse.publish(draft, changes)
    return release_id


def _hashes(subject: Subject) -> dict[str, Kind]:
    """Hash of each id → its kind."""
    users: dict[str, Kind] = {hash_of("user", number): "user" for number in subject.users}
    items: dict[str, Kind] = {hash_of("item", number): "item" for number in subject.items}
    return users | items


def _all_ingests(warehouse: Warehouse) -> tuple[str, ...]:
    return tuple(warehouse.query("SELECT ingest_id FROM ingests ORDER BY sequence")["ingest_id"])


def _inputs(
    warehouse: Warehouse, settings: SidSettings, incumbent: Incumbent, erasure: Erasure, subject: Subject, release_id: int
) -> ReleaseInputs:
    """What the release is made from: the last one without the subject."""
    files, before, sids = erasure.kept, incumbent.tables, incumbent.sids
    stays = ~pl.col("item_id").is_in(list(subject.items))
    tables = Tables(
        items=before.items.filter(stays),
        users=before.users.filter(~pl.col("user_id").is_in(list(subject.users))),
        splits=make_splits(settings.records, pl.scan_parquet(files.state), scan(files.records, RECORD_ROWS)),
    )
    sids = replace(sids, history=sids.history.filter(stays), waiting=sids.waiting.filter(stays))
    external = find_external_files(settings.embeddings, warehouse, sids.codebook)
    return ReleaseInputs(release_id, replace(incumbent, files=files, sids=sids), (), external, files.records, tables)


def _with_erasure(
    warehouse: Warehouse, changes: Changes, inputs: ReleaseInputs, erasure: Erasure, request: _Request, names: tuple[str, str]
) -> Changes:
    """The changes of the release, and what goes beyond them; ``names`` of the run, and of the files."""
    (run_id, name), release_id, subject = names, inputs.release_id, request.subject
    rebuilt = pl.concat([pl.DataFrame(schema={"user_id": pl.Int64}), *erasure.rebuilt])
    rebuilt = rebuilt.with_columns(ingest_id=pl.lit(name), release_id=pl.lit(release_id, pl.Int64))
    before = warehouse.read(REBUILT_USERS, "FROM rebuilt_users").filter(~pl.col("user_id").is_in(list(subject.users)))
    history = inputs.incumbent.sids.history.join(changes.upsert["sid_history"], on=list(SID_HISTORY.key), how="anti")
    forgotten = [{"kind": kind, "id_sha256": hashed, "release_id": release_id} for hashed, kind in _hashes(subject).items()]
    forgotten = [] if request.since else forgotten
    written = {path: _all_ingests(warehouse) for paths in erasure.written.values() for path in paths}
    state = artifact_rows(warehouse, [_keep_state(warehouse, erasure, name)], run_id, release_id)
    return replace(
        changes,
        delete={
            "events": pl.DataFrame({"filename": [warehouse.name_of(path) for path in erasure.gone["events"]]}),
            "record_rows": pl.DataFrame({"filename": [warehouse.name_of(path) for path in erasure.gone["records"]]}),
        },
        # Whole: a row that is deleted stays in the file that DuckLake keeps it in.
        replace={
            **changes.replace,
            "users": inputs.tables.users,
            "items": inputs.tables.items,
            "splits": inputs.tables.splits,
            "sid_history": pl.concat([history, changes.upsert["sid_history"]]),
            "rebuilt_users": pl.concat([before, rebuilt]),
            "quarantine": request.refused.others,
            "audits": audits_without(warehouse, request.mention),
        },
        upsert={"codebooks": changes.upsert["codebooks"]},
        register={"events": erasure.written["events"], "record_rows": erasure.written["records"]},
        append={
            **changes.append,
            "forgotten": rows_of(FORGOTTEN, forgotten, "forget"),
            "artifacts": pl.concat([changes.append["artifacts"], state]),
        },
        file_inputs={**changes.file_inputs, **written},
    )


def _keep_state(warehouse: Warehouse, erasure: Erasure, name: str) -> Artifact:
    """Keep the user states without the subject, from which the next night goes on."""
    with warehouse.artifacts.writing("user_state", name) as folder:
        for file in erasure.kept.state:
            os.link(file, folder / file.name)
    return Artifact("user_state", name, _all_ingests(warehouse))

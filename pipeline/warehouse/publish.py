"""Write, audit, commit: one transaction that turns the last release into the next, or leaves it as it was."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipeline.contracts import check, rows_of
from pipeline.errors import AuditError, ContractError, WarehouseError, all_faults
from pipeline.warehouse.audits import Finding, run_audits
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.engine import attach
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.ledger import audit_rows, insert
from pipeline.warehouse.own_files import file_rows
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import Statement
from pipeline.warehouse.tables import BULK, LEDGERS, RELEASES, TABLES
from pipeline.warehouse.traces import CATALOGUE


def publish_release(
    lake: Lake,
    draft: ReleaseDraft,
    release_id: int,
    changes: Changes,
    audits: Sequence[Statement],
    require_lock: Callable[[], None],
) -> None:
    """Apply ``changes`` as release ``release_id``; the writer's lock is held by the caller, which ``require_lock`` makes sure of at the end.

    Raises:
        ContractError: a frame or file breaks its table's contract; nothing was begun.
        WarehouseError: a file is already registered, the lock was lost, or the commit did not happen; nothing became visible.
        AuditError: a blocking audit found offenders; nothing became visible, the findings are in ``audits``.
    """
    _check_frames(changes)
    findings: list[Finding] = []
    message = f"release {release_id} by run {draft.run_id}"
    with _linked(lake, changes, release_id) as linked, _previous(lake):
        try:
            with lake.transaction(message, {"run": draft.run_id, "release": release_id}):
                insert(lake, "releases", _release_row(draft, release_id))
                _apply(lake, changes, linked)
                insert(lake, "artifacts", _artifact_rows(lake, draft, release_id, changes, linked))
                findings += run_audits(lake.connection, audits)
                refuse_if_blocked(findings, release_id)
                insert(lake, "audits", audit_rows(draft.run_id, release_id, findings))
                require_lock()
        except AuditError:
            with lake.transaction(f"audits of refused {message}", {"run": draft.run_id}):
                rows = audit_rows(draft.run_id, release_id, findings)
                lake.connection.execute("DELETE FROM audits WHERE run_id = ? AND release_id = ?", [draft.run_id, release_id])
                insert(lake, "audits", rows)
            raise


def _check_frames(changes: Changes) -> None:
    bulk, ledgers = {table.name for table in BULK}, {table.name for table in LEDGERS} - {"quarantine", "audits"}
    for files in (changes.replace_files, changes.register):
        for name in files.keys() - bulk:
            raise ContractError(f"publish: {name} takes rows, not files; give it as replace, upsert or append")
    for frames in (changes.replace, changes.upsert, changes.append):
        for name, frame in frames.items():
            if name not in TABLES or name in bulk or name in ledgers:
                raise ContractError(f"publish: {name} takes no rows from a release; expected one of the small tables")
            check(frame, TABLES[name], "publish")


@contextmanager
def _linked(lake: Lake, changes: Changes, release_id: int) -> Iterator[dict[Path, Path]]:
    """Link the staged files into the data folder; where the block fails, take them away again.

    Every release has a folder of its own in each table's, so whatever lies there before the release is made was left by a run that died.
    """
    folders = {table.name: lake.root / "data" / "main" / table.name / f"r{release_id:06d}" for table in BULK}
    bucket = Bucket.of(lake.root)
    _clear(folders.values(), bucket)
    linked: dict[Path, Path] = {}
    try:
        for files in (changes.replace_files, changes.register):
            for table, paths in files.items():
                for path in paths:
                    if _rows(path, table):
                        linked[path] = link(path, folders[table] / f"{len(linked):05d}-{path.name}")
        if bucket:
            bucket.put(linked.values())
        yield linked
    except BaseException:
        if lake.query("SELECT 1 FROM releases WHERE release_id = ?", [release_id]).is_empty():
            _clear(folders.values(), bucket)
        raise


def _clear(folders: Iterable[Path], bucket: Bucket | None) -> None:
    """Remove what lies in the folders of a release, here and in S3."""
    mine = tuple(folders)
    if bucket:
        bucket.remove(copy for copy in bucket.sizes() if copy.parent in mine)
    for folder in mine:
        shutil.rmtree(folder, ignore_errors=True)


def _rows(path: Path, table: str) -> int:
    """Rows of a staged file; a file without rows is not registered."""
    wanted, found = TABLES[table].schema, pl.read_parquet_schema(path)
    if dict(found) != dict(wanted):
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ContractError(f"{path}: {len(wrong)} columns are not those of {table}: {', '.join(wrong)}; write it again")
    return int(pq.read_metadata(path).num_rows)


def link(source: Path, target: Path) -> Path:
    """Give a staged file a second name, in the data folder; that name alone is DuckLake's to remove. Returns ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # staged on another file system
        shutil.copy2(source, target)
    return target


@contextmanager
def _previous(lake: Lake) -> Iterator[None]:
    """The last release, attached as ``previous`` and pinned: AT (VERSION) inside a transaction would see its own changes."""
    attach(lake.connection, lake.root, "previous", CATALOGUE, f"SNAPSHOT_VERSION {lake.last_snapshot()}", "READ_ONLY")
    try:
        yield
    finally:
        lake.connection.execute("DETACH previous")


def _apply(lake: Lake, changes: Changes, linked: dict[Path, Path]) -> None:
    bucket = Bucket.of(lake.root)
    for table, gone in changes.delete.items():
        if gone.height:
            _delete(lake, table, gone, gone.columns)
    for table in (*changes.replace_files, *changes.replace):
        lake.connection.execute(f"DELETE FROM {table}")
    for files in (changes.replace_files, changes.register):
        for table, paths in files.items():
            # Spelled with the very data path of the attach, so that they are stored relative and the warehouse can be moved.
            placed = [linked[path] for path in paths if path in linked]
            targets = [bucket.url_of(copy) for copy in placed] if bucket else [str(path) for path in placed]
            if targets:
                lake.connection.execute("CALL ducklake_add_data_files('lake', ?, ?)", [table, targets])
    for table, frame in changes.upsert.items():
        _delete(lake, table, frame, TABLES[table].key)
    for frames in (changes.replace, changes.upsert, changes.append):
        for table, frame in frames.items():
            insert(lake, table, frame)


def _delete(lake: Lake, table: str, rows: pl.DataFrame, key: Sequence[str]) -> None:
    same = " AND ".join(f'{table}."{name}" = arriving."{name}"' for name in key)
    lake.connection.register("arriving", rows)
    lake.connection.execute(f"DELETE FROM {table} USING arriving WHERE {same}")


def _artifact_rows(lake: Lake, draft: ReleaseDraft, release_id: int, changes: Changes, linked: dict[Path, Path]) -> pl.DataFrame:
    """A row for each registered file, with the hash by which a swapped file is recognised later.

    Raises:
        WarehouseError: the same bytes are registered in the table already, which would double their rows.
    """
    inputs = {
        linked[source]: changes.file_inputs.get(source, draft.inputs) for _, source in _sources(changes) if source in linked
    }
    arriving = file_rows(lake.root, inputs, draft.run_id, release_id)
    _refuse_doubled(lake, changes, arriving)
    return arriving


def _refuse_doubled(lake: Lake, changes: Changes, arriving: pl.DataFrame) -> None:
    grown = arriving.filter(~pl.col("kind").is_in(list(changes.replace_files)))
    known = lake.query(
        "SELECT kind, sha256 FROM artifacts WHERE sha256 IN (SELECT unnest($hashes))", {"hashes": grown["sha256"].to_list()}
    )
    doubled = grown.join(known, on=["kind", "sha256"], how="semi")
    # Rows that this release takes away may come back as the very bytes: of users whose last other rows a correction took.
    comes_back = [_is_of(lake.root / row["path"], changes.delete.get(row["kind"])) for row in doubled.iter_rows(named=True)]
    doubled = doubled.filter(~pl.Series(comes_back, dtype=pl.Boolean))
    repeated = arriving.filter(pl.struct("kind", "sha256").is_duplicated())
    for row in (*doubled.rows(named=True), *repeated.rows(named=True)):
        raise WarehouseError(
            f"publish: {doubled.height + repeated.height} of {arriving.height} files are registered already, such as {row['path']}; "
            "publish each file once"
        )


def _is_of(path: Path, gone: pl.DataFrame | None) -> bool:
    """Whether all rows of a file are among those that are deleted first."""
    return gone is not None and pl.read_parquet(path, columns=gone.columns).join(gone, on=gone.columns, how="anti").is_empty()


def _sources(changes: Changes) -> Iterable[tuple[str, Path]]:
    for files in (changes.replace_files, changes.register):
        for table, paths in files.items():
            for path in paths:
                yield table, path


def _release_row(draft: ReleaseDraft, release_id: int) -> pl.DataFrame:
    row = {
        "release_id": release_id,
        "run_id": draft.run_id,
        "kind": draft.kind,
        "parent_id": draft.restores or release_id - 1 or None,
        "code_version": draft.code_version,
        "config": json.dumps(draft.config, sort_keys=True, default=str),
        "seed": draft.seed,
        "inputs": list(draft.inputs),
        "created_at": datetime.now(UTC),
    }
    return rows_of(RELEASES, [row], "publish")


def refuse_if_blocked(findings: list[Finding], release_id: int) -> None:
    """Refuse a release in which blocking audits found something.

    Raises:
        AuditError: names each of them, how many rows it found, and one of them.
    """
    blocking = [finding for finding in findings if finding.is_blocking]
    if blocking:
        found = [f"{finding.audit}: {_found(finding)}" for finding in blocking]
        by = f"audit {found[0]}" if len(found) == 1 else all_faults(found, "audits")
        raise AuditError(f'release {release_id} refused by {by}; look at: hsrl sql "from audits where release_id = {release_id}"')


def _found(finding: Finding) -> str:
    """What an audit found, in its own words where it has some."""
    says = json.loads(finding.examples[0]).get("says")
    rows = "row" if finding.n_offenders == 1 else "rows"
    found = says or f"{finding.n_offenders} offending {rows}, expected none, such as {finding.examples[0]:.300}"
    return f"{found}; {finding.advice}" if finding.advice else found

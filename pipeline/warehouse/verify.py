"""Whether stored bytes are those that were written: a flipped bit or a swapped file otherwise reads as other numbers, silently."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import bytes_of, inside, sha256_of
from pipeline.warehouse.attach_files import attach_states
from pipeline.warehouse.audits import run_audits
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.catalogue_check import compare_catalogue
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.readers import COPY, copies_of, is_whole, notes_of, numbered_copies
from pipeline.warehouse.statements import SQL_ROOT, read_statement, statement
from pipeline.warehouse.storage import storage_of
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.traces import CATALOGUE, restoring

# Data files and files of deletions of every snapshot that was not expired.
_NAMED = """
WITH files AS (
    SELECT table_id, path, path_is_relative, begin_snapshot, end_snapshot FROM {meta}.ducklake_data_file
    UNION ALL SELECT table_id, path, path_is_relative, begin_snapshot, end_snapshot FROM {meta}.ducklake_delete_file
)
SELECT
    "table".table_name,
    files.begin_snapshot <= $now AND coalesce(files.end_snapshot > $now, true) AS is_in_use,
    if(files.path_is_relative::BOOLEAN, 'data/main/' || "table".path || files.path, files.path) AS path
FROM files INNER JOIN {meta}.ducklake_table AS "table" ON "table".table_id = files.table_id ORDER BY ALL
"""
_WRITTEN = "not the bytes that were written"
_GONE, _OTHER = "missing in S3", "in S3 not the bytes that were written"
_RENEWED = "make a new one with: hsrl gc"
_MISSING = "missing"
# Kinds of artifacts that a command makes again once their folder is gone; a folder that is there counts as complete.
_ANEW = {
    "policy": "train it anew with: hsrl retrain",
    "simulator": "train it anew with: hsrl retrain",
    "embedding_model": "make new Semantic IDs with: hsrl refresh --rebuild",
    "like_sums": "sum the likes anew with: hsrl refresh",
}


@dataclass(frozen=True)
class Damage:
    """A stored file or folder that is not as it was written."""

    path: Path
    fault: str
    mend: str = "put back a copy of it, or follow docs/recovery.md (Damaged files)"


class _Entry(NamedTuple):
    """What the table ``artifacts`` says of a file or folder."""

    kind: str
    name: str
    sha256: str
    bytes: int

    @property
    def is_artifact(self) -> bool:
        """Whether it is a folder of the store, not a file of a table."""
        return self.kind not in TABLES


@dataclass(frozen=True)
class Inspection:
    """What ``inspect`` found.

    Attributes:
        damage: files, folders and tables that are not as they should be.
        n: files and folders whose bytes were compared.
        bytes: theirs.
        not_looked_at: what was not, and why, a sentence part each.
    """

    damage: list[Damage]
    n: int
    bytes: int
    not_looked_at: list[str]


def inspect(lake: Lake) -> Inspection:
    """Look at everything that is stored: files and folders, the catalogue, its copies, and whether Semantic IDs agree in themselves.

    Args:
        lake: the warehouse, of which the readers' copy will do.
    """
    hashes = _hashes(lake)
    named = dict.fromkeys(path for _, _, path in _files(lake))
    folders = [path for path, entry in hashes.items() if entry.is_artifact]
    sizes = _sizes(lake.root, [inside(lake.root, path) for path in (*named, *folders) if path in hashes])
    damage = [
        *find_damage(lake),
        *_older(lake, hashes),
        *_in_bucket(lake, hashes, named),
        *catalogue_damage(lake.root),
        *_copies(lake.root),
        *_misnamed(lake),
    ]
    return Inspection(damage, len(sizes), sum(sizes.values()), list(_not_looked_at(lake, hashes, list(named))))


def find_damage(lake: Lake, kinds: Sequence[str] | None = None) -> list[Damage]:
    """Compare what the lake's release uses with the hashes taken when it was stored; reads all of it.

    Args:
        lake: the warehouse.
        kinds: tables, and kinds of artifacts (``user_state`` …); None = all.
    """
    needed = {name for (name,) in lake.query(statement("needed_artifacts")).rows()}
    in_use = _in_use(lake, kinds)
    hashes = _hashes(lake)
    found: list[Damage] = []
    is_away = storage_of(lake.root).data is not None  # then what is here are copies, which may be missing
    asked = {path: entry for path, entry in hashes.items() if kinds is None or entry.kind in kinds}
    for path, entry in asked.items():
        stored = inside(lake.root, path)
        is_needed = entry.name in needed if entry.is_artifact else path in in_use
        if is_needed or (entry.is_artifact and stored.exists()):
            damage = _compared(stored, entry.sha256, may_be_away=is_away)
            found += (replace(each, mend=_mend(entry.kind, each)) for each in damage)
    found += _short_in_bucket(lake, in_use)
    found += _short_artifacts(lake, {path: entry for path, entry in asked.items() if entry.is_artifact and entry.name in needed})
    unhashed = in_use - hashes.keys()
    return found + [Damage(lake.root / path, _MISSING) for path in sorted(unhashed) if not (lake.root / path).exists()]


def _mend(kind: str, damage: Damage) -> str:
    if kind not in _ANEW:
        return damage.mend
    return f"put back a copy of it, or {'remove it and ' if damage.path.exists() else ''}{_ANEW[kind]}"


def require_whole_or_gone(lake: Lake, kinds: Sequence[str]) -> None:
    """Refuse damaged artifacts of these kinds, but not those that were removed so that they are made anew.

    Raises:
        WarehouseError: names the first of them and what to do.
    """
    found = find_damage(lake, kinds)
    refuse([damage for damage in found if damage.fault not in (_MISSING, _GONE) or damage.path.exists()])


def require_intact(lake: Lake, kinds: Sequence[str] | None = None) -> None:
    """Refuse to build upon damaged files.

    Raises:
        WarehouseError: names the first of them and what to do.
    """
    refuse(find_damage(lake, kinds))


def refuse(damage: Sequence[Damage]) -> None:
    """Raise where there is damage.

    Raises:
        WarehouseError: names the first of it and what to do.
    """
    if damage:
        raise refusal(damage)


def refusal(damage: Sequence[Damage]) -> WarehouseError:
    """The error that names the first of some damaged things, how many there are, and what to do."""
    first = damage[0]
    return WarehouseError(f"{first.path}: {first.fault}, one of {len(damage)} such; {first.mend}")


def lost_files(lake: Lake) -> list[Damage]:
    """Files that the lake's snapshot needs and that are not there; by the catalogue alone, as tables that tell more may be among them."""
    in_use = _in_use(lake, None)
    if storage_of(lake.root).data is not None:
        return list(_short_in_bucket(lake, in_use))
    return [Damage(lake.root / path, _MISSING) for path in sorted(in_use) if not (lake.root / path).exists()]


def _hashes(lake: Lake) -> dict[str, _Entry]:
    """Path → what was entered of it; the last entry of a path holds."""
    rows = lake.query("SELECT path, kind, artifact_id, sha256, bytes FROM artifacts ORDER BY path, created_at").rows()
    return {path: _Entry(*entry) for path, *entry in rows}


def _in_use(lake: Lake, kinds: Sequence[str] | None) -> set[str]:
    """Paths of the files that the lake's snapshot needs, of these tables."""
    return {path for table, is_in_use, path in _files(lake) if is_in_use and (kinds is None or table in kinds)}


def _files(lake: Lake) -> list[tuple[str, bool, str]]:
    """Table, whether the lake's snapshot needs it, and path of the files of all snapshots; one query for all tables."""
    rows = lake.query(_NAMED.format(meta="__ducklake_metadata_lake"), {"now": lake.last_snapshot()}).rows()
    root = f"{lake.root}/"
    return [(table, is_in_use, path.removeprefix(root)) for table, is_in_use, path in rows]


def _sizes(root: Path, paths: Iterable[Path]) -> dict[Path, int]:
    """Bytes of those files and folders that are there: in S3, where they belong there."""
    if bucket := Bucket.of(root):
        there = {**bucket.sizes(), **bucket.artifact_sizes()}
        return {path: there[path] for path in paths if path in there}
    return {path: bytes_of(path) for path in paths if path.exists()}


def _short_in_bucket(lake: Lake, paths: Iterable[str]) -> Iterator[Damage]:
    """Files in S3 that are missing, or of another size than their copies here; without reading them."""
    if bucket := Bucket.of(lake.root):
        sizes = bucket.sizes()
        for copy in (lake.root / path for path in sorted(paths)):
            if copy not in sizes:
                yield Damage(copy, _GONE, "put it back there" + (" from this copy" if copy.exists() else ""))
            elif copy.exists() and copy.stat().st_size != sizes[copy]:
                yield Damage(copy, _OTHER, "put it back there from this copy")


def _short_artifacts(lake: Lake, needed: Mapping[str, _Entry]) -> Iterator[Damage]:
    """Artifacts that are missing in S3, or of another size than what was written; without reading them."""
    bucket = Bucket.of(lake.root) if needed else None
    sizes = bucket.artifact_sizes() if bucket else {}
    for path, entry in needed.items() if bucket else ():
        folder = inside(lake.root, path)
        if sizes.get(folder) != entry.bytes:
            fault = _OTHER if folder in sizes else _GONE
            yield Damage(folder, fault, _mend_in_bucket(entry.kind, folder, is_there=folder in sizes))


def _mend_in_bucket(kind: str, folder: Path, *, is_there: bool) -> str:
    put_back = "put it back there" + (" from this copy" if folder.exists() else "")
    if kind not in _ANEW:
        return put_back
    return f"{put_back}, or {'remove it here and there and ' if is_there or folder.exists() else ''}{_ANEW[kind]}"


def _in_bucket(lake: Lake, hashes: Mapping[str, _Entry], paths: Iterable[str]) -> Iterator[Damage]:
    """Files and artifacts in S3 whose bytes are not those that were written; reads all of them."""
    if bucket := Bucket.of(lake.root):
        there = {**bucket.sizes(), **bucket.artifact_sizes()}
        for path in (*paths, *(path for path, entry in hashes.items() if entry.is_artifact)):
            copy = inside(lake.root, path)
            if path in hashes and copy in there and bucket.sha256(copy) != hashes[path].sha256:
                yield Damage(copy, _OTHER, "put it back there, from this copy if that is whole")


def _compared(stored: Path, sha256: str, *, may_be_away: bool = False) -> Iterator[Damage]:
    if not stored.exists():
        if not may_be_away:
            yield Damage(stored, _MISSING)
    elif sha256_of(stored) != sha256:
        yield Damage(stored, _WRITTEN)


def _older(lake: Lake, hashes: Mapping[str, _Entry]) -> Iterator[Damage]:
    """Files that only older releases need, to which a rollback may go."""
    for _, is_in_use, path in _files(lake):
        if not is_in_use and path in hashes:
            is_away = storage_of(lake.root).data is not None
            yield from _compared(inside(lake.root, path), hashes[path].sha256, may_be_away=is_away)


def catalogue_damage(root: Path) -> Iterator[Damage]:
    """The catalogue itself where it is damaged, with the command that restores it."""
    if fault := compare_catalogue(root).fault:
        command = restoring(root)
        yield Damage(root / CATALOGUE, fault, f"restore it: {command}" if command else "restore it from a copy of the folder")


def _copies(root: Path) -> Iterator[Damage]:
    if storage_of(root).dsn is not None:
        return
    notes = notes_of(root)
    for copy in numbered_copies(root):
        if copy.name in notes and not is_whole(copy, notes[copy.name]):
            yield Damage(copy, _WRITTEN, f"remove it and {_RENEWED}")
    same = root / COPY
    if not same.is_file():
        yield Damage(same, _MISSING, _RENEWED)
    elif notes and sha256_of(same) not in {note.sha256 for note in notes.values()}:
        yield Damage(same, _WRITTEN, _RENEWED)


def _misnamed(lake: Lake) -> Iterator[Damage]:
    [finding] = run_audits(lake.connection, [read_statement(SQL_ROOT / "audits" / "sids_named.sql")])
    if finding.n_offenders:
        fault = f"{finding.n_offenders} rows fail the audit {finding.audit}, such as {finding.examples[0]}"
        yield Damage(lake.root / "data" / "main" / "sid_history", fault)


def _not_looked_at(lake: Lake, hashes: Mapping[str, _Entry], named: list[str]) -> Iterator[str]:
    if unhashed := [path for path in named if path not in hashes]:
        yield f"{len(unhashed)} files in data/ that have no hash, as they were made before there were hashes, such as {unhashed[0]}"
    known = {str(lake.root / path) for path in named}
    strangers = [path for path in sorted((lake.root / "data").rglob("*")) if path.is_file() and str(path) not in known]
    if strangers:
        yield f"{len(strangers)} files in data/ that no snapshot names, such as {strangers[0].relative_to(lake.root)}"
    if reason := compare_catalogue(lake.root).not_compared:
        yield f"{'the catalogue' if storage_of(lake.root).dsn else CATALOGUE}: {reason}"
    yield from (f"{name}: {state}; the next commit renews it" for name, state in attach_states(lake.root))
    notes = notes_of(lake.root)
    if unnoted := [copy for copy in copies_of(lake.root) if copy.name not in notes and copy.name != COPY]:
        yield f"{len(unnoted)} copies of the catalogue that have no hash, such as {unnoted[0].relative_to(lake.root)}"
    entered = {path for path, entry in hashes.items() if entry.is_artifact}
    store = lake.root / "artifacts"
    loose = [path for path in sorted(store.glob("*/*")) if str(path.relative_to(lake.root)) not in entered]
    if loose:
        yield f"{len(loose)} folders in artifacts/ that no release has entered, such as {loose[0].relative_to(lake.root)}"

"""Erasing a user or an item from the buckets: files without them, and the records of those who saw the item cut anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from flows.refresh.buckets import bucket_file, in_bucket, of_bucket, read_bucket
from flows.stores.incumbent import StoredFiles
from pipeline.contracts import EVENTS, RECORD_ROWS, USER_STATE
from pipeline.records.config import RecordsConfig
from pipeline.records.slates import build_records
from pipeline.warehouse.stored_files import StoredFile, scan


@dataclass(frozen=True)
class Subject:
    """Who is to be forgotten: ids of users and of items."""

    users: Sequence[int] = ()
    items: Sequence[int] = ()

    @property
    def shown(self) -> pl.Expr:
        """Of a row with user_id and item_id: whether it goes."""
        return pl.col("user_id").is_in(list(self.users)) | pl.col("item_id").is_in(list(self.items))


@dataclass
class Erasure:
    """What becomes of the stored files.

    Attributes:
        kept: files as they count afterwards.
        written: kind → new files.
        gone: kind → files that no longer count.
        rebuilt: user_id of those whose records were cut anew, as an item is gone from them.
    """

    kept: StoredFiles
    written: dict[str, list[Path]] = field(default_factory=lambda: {"events": [], "records": []})
    gone: dict[str, list[Path]] = field(default_factory=lambda: {"events": [], "records": []})
    rebuilt: list[pl.DataFrame] = field(default_factory=list)


def count_events(files: StoredFiles, subject: Subject) -> int:
    """How many events go."""
    return int(scan(files.events, EVENTS).filter(subject.shown).select(pl.len()).collect().item())


def erase(files: StoredFiles, subject: Subject, n_buckets: int, records: RecordsConfig, folder: Path, name: str) -> Erasure:
    """Write the buckets that hold the subject again without it, one file each, into ``folder``.

    Args:
        files: of the last release.
        subject: who goes.
        n_buckets: of users.
        records: how records are cut.
        folder: an empty folder, which gets ``events``, ``records`` and, of all buckets, ``state``.
        name: a part of the files' names.
    """
    for kind in ("events", "records", "state"):
        (folder / kind).mkdir(parents=True)
    erasure = Erasure(files)
    buckets = [bucket for bucket in range(n_buckets) if _is_in(of_bucket(files.events, bucket), subject)]
    for bucket in buckets:
        _erase_bucket(erasure, files, subject, bucket, records, folder, name)
    state = [file for file in files.state if file not in [old for bucket in buckets for old in in_bucket(files.state, bucket)]]
    erasure.kept = StoredFiles(
        events=_after(files.events, erasure, "events"),
        records=_after(files.records, erasure, "records"),
        state=[*state, *sorted((folder / "state").iterdir())],
        state_id=name,
        embeddings=files.embeddings,
    )
    return erasure


def _is_in(files: Sequence[StoredFile], subject: Subject) -> bool:
    """Whether any of the files has a row of the subject, also a row that no longer counts."""
    every = [StoredFile(file.path) for file in files]
    return bool(every) and scan(every, EVENTS).filter(subject.shown).select("user_id").head(1).collect().height > 0


def _erase_bucket(
    erasure: Erasure, files: StoredFiles, subject: Subject, bucket: int, records: RecordsConfig, folder: Path, name: str
) -> None:
    mine = {"events": of_bucket(files.events, bucket), "records": of_bucket(files.records, bucket)}
    events = scan(mine["events"], EVENTS).collect().sort("user_id", "user_seq")
    stay = events.filter(~subject.shown)
    saw = events.filter(pl.col("item_id").is_in(list(subject.items))).select("user_id").unique()
    saw = saw.filter(~pl.col("user_id").is_in(list(subject.users))).sort("user_id")
    cut_anew = build_records(
        stay.join(saw, on="user_id", how="semi", maintain_order="left"),
        USER_STATE.empty(),
        records.slate_size,
        records.history_length,
    )
    going_on = ~pl.col("user_id").is_in([*subject.users, *saw["user_id"]])
    before = scan(mine["records"], RECORD_ROWS).collect() if mine["records"] else RECORD_ROWS.empty()
    slates = pl.concat([before.filter(going_on), cut_anew.records]).sort("user_id", "record_index")
    state = pl.concat([read_bucket(files.state, bucket, USER_STATE.empty()).filter(going_on), cut_anew.state]).sort("user_id")
    for kind, frame in (("events", stay), ("records", slates), ("state", state)):
        if frame.height:
            path = bucket_file(folder / kind, name, bucket)
            frame.write_parquet(path)
            if kind != "state":
                erasure.written[kind].append(path)
    for kind, old in mine.items():
        erasure.gone[kind] += [file.path for file in old]
    erasure.rebuilt.append(saw)


def _after(files: Sequence[StoredFile], erasure: Erasure, kind: str) -> list[StoredFile]:
    gone = set(erasure.gone[kind])
    return [*(file for file in files if file.path not in gone), *(StoredFile(path) for path in erasure.written[kind])]

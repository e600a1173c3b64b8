"""Which deliveries are new, and staging them: each becomes one folder, complete or not there at all."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from flows.refresh.deliveries import Before, Plan, stage_delivery
from flows.runtime.run import Run
from flows.runtime.settings import Settings
from flows.runtime.steps import Steps
from flows.stores.incumbent import Incumbent
from pipeline.contracts import check, rows_of
from pipeline.errors import ConfigError, QuarantineError
from pipeline.ingest.files import Snapshot
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.meaning import Meaning, counts_own_time, kinds_in
from pipeline.ingest.source import EMPTY, Delivery, Source
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.ledger import add_quarantine
from pipeline.warehouse.tables import INGEST_FILES, INGEST_LINES, INGESTS
from pipeline.warehouse.warehouse import Warehouse

KIND = "delivery"
# Part of every staging fingerprint: raised when the same raw rows become other staged rows.
_FORMAT = 2


@dataclass(frozen=True)
class Arrived:
    """A delivery that the warehouse does not know, and its files as they were hashed."""

    delivery: Delivery
    snapshots: tuple[Snapshot, ...]
    ingest_id: str


@dataclass(frozen=True)
class Staged:
    """A delivery as it lies in the staging area, complete."""

    arrived: Arrived
    folder: Path

    def files(self, kind: str) -> list[Path]:
        """Parquet files of ``events``, ``records`` or ``state``."""
        return sorted((self.folder / kind).glob("*.parquet"))

    def frame(self, name: str) -> pl.DataFrame:
        """``items``, ``users`` (both whole), ``rejects``, ``lines`` or ``counts``."""
        return pl.read_parquet(self.folder / f"{name}.parquet")

    @property
    def kinds(self) -> IdKinds:
        """What its ids are."""
        told = self._meaning()
        return IdKinds(told["user"], told["item"])

    @property
    def counts_own_time(self) -> bool | None:
        """Whether its times count from a start of their own; None without times."""
        told: bool | None = self._meaning()["counts_own_time"]
        return told

    def _meaning(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "meaning.json").read_text())
        return told


@dataclass(frozen=True)
class TakenIn:
    """What the warehouse knows of raw files.

    Attributes:
        hashes: sha256 of the files taken in.
        waiting: those of them whose last line has no line end and waits.
    """

    hashes: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()


def arrived_deliveries(
    source: Source, taken_in: TakenIn, first: date | None, last: date | None, settle_hours: float = 0.0
) -> list[Arrived]:
    """Deliveries with a file whose bytes the warehouse has not taken in, oldest first; also those whose last line waited and
    whose file has not changed for so long that it is finished.

    Args:
        source: lists the deliveries.
        taken_in: what the warehouse knows.
        first: no day before this one.
        last: no day after this one.
        settle_hours: a file changed since may still be written.

    Raises:
        ConfigError: days are asked for, but the deliveries are no days.
        SourceError: a file is missing or may not be read.
    """
    arrived, seen = [], dict[Path, Snapshot]()
    settled_at = time.time() - 3600 * settle_hours
    for delivery in source.deliveries():
        day = delivery.occurred_on
        if day is None and (first or last):
            raise ConfigError(
                f"{source.name}: delivery {delivery.id} is no day, expected days for --from and --to; leave them out"
            )
        if day is not None and ((first and day < first) or (last and day > last)):
            continue
        snapshots = tuple(seen.get(file) or seen.setdefault(file, Snapshot.of(file)) for file in delivery.files)
        hashes = [one.sha256 for one in snapshots]
        growing = frozenset(one.path for one in snapshots if settle_hours and one.modified_at > settled_at)
        has_settled = any(one.sha256 in taken_in.waiting and one.path not in growing for one in snapshots)
        if has_settled or not taken_in.hashes.issuperset(hashes):
            sized = replace(delivery, n_bytes=tuple(one.n_bytes for one in snapshots), growing=growing)
            parts = (source.name, hashes, *(["settled"] if has_settled else []))
            arrived.append(Arrived(sized, snapshots, fingerprint(*parts)))
    return arrived


def stage_next(
    warehouse: Warehouse,
    settings: Settings,
    source: Source,
    incumbent: Incumbent,
    earlier: Sequence[Staged],
    arrived: Arrived,
    run: Run,
    steps: Steps,
    stored: Mapping[str, Meaning],
) -> Staged:
    """The delivery, staged now or by a run that was killed; what it rejected is in the quarantine either way.

    Raises:
        EmptyFileError: it holds no rows; it is no part of the warehouse then.
        QuarantineError: too many rows were rejected.
        SourceError: a file is refused as a whole, or was written over meanwhile.
    """
    before, state_id = _before(incumbent, earlier)
    records, ingest = settings.records, settings.ingest
    plan = Plan(
        source=source.name,
        delivery=arrived.delivery,
        ingest_id=arrived.ingest_id,
        n_buckets=ingest.buckets,
        slate_size=records.slate_size,
        history_length=records.history_length,
        quarantine_limit=ingest.quarantine_limit,
        kinds=earlier[-1].kinds if earlier else kinds_in(stored),
        counts_own_time=next(
            (one.counts_own_time for one in earlier if one.counts_own_time is not None), counts_own_time(stored)
        ),
        earliest=ingest.earliest,
        latest=None if source.has_own_clock else run.started_at + timedelta(days=ingest.future_days),
        holds_since=_since(stored, earlier),
    )
    cut = (plan.n_buckets, plan.slate_size, plan.history_length, str(plan.kinds), plan.counts_own_time, str(ingest.earliest))
    name = fingerprint(_FORMAT, arrived.ingest_id, state_id, settings.source.model_dump(mode="json"), cut)
    if not warehouse.staging.exists(KIND, name):
        try:
            with warehouse.staging.writing(KIND, name) as folder:
                counts = stage_delivery(source, plan, before, folder, steps, partial(_quarantined, warehouse))
                for snapshot in arrived.snapshots:
                    snapshot.require_unchanged()
        except QuarantineError as error:
            add_quarantine(warehouse, run.run_id, arrived.ingest_id, error.rejects)
            raise
        run.say(
            f"{arrived.delivery.id}: {counts.n_accepted:,} events, {counts.n_records:,} records, {counts.n_rejected:,} rows rejected"
        )
    staged = Staged(arrived, warehouse.staging.path(KIND, name))
    for line in _remarks(staged.frame("lines"), ingest.settle_hours):
        run.say(line)
    add_quarantine(warehouse, run.run_id, arrived.ingest_id, staged.frame("rejects"))
    return staged


def _quarantined(warehouse: Warehouse, files: Sequence[str]) -> pl.DataFrame:
    """What published deliveries left in quarantine of files of these names."""
    return warehouse.query(
        "SELECT file, raw, reason, count(*) AS n FROM quarantine "
        "WHERE ingest_id IN (SELECT ingest_id FROM ingests) AND file IN (SELECT unnest($files)) GROUP BY ALL",
        {"files": list(files)},
    )


def _remarks(lines: pl.DataFrame, settle_hours: float) -> list[str]:
    """What a person should know of the files that were read."""
    told = []
    for row in lines.rows(named=True):
        if row["content"] == EMPTY:
            told.append(f"{row['file']}: no rows; passed over")
        if row["n_open"]:
            told.append(
                f"{row['file']}: the last line has no line end; it waits in quarantine until the file is written on or has not "
                f"changed for {settle_hours:g} hours (ingest.settle_hours)"
            )
        if row["n_continued"]:
            told.append(f"{row['file']}: {row['n_continued']:,} lines continue a field of the line before (multiline = true)")
        if row["n_header"] > 1:
            told.append(f"{row['file']}: its header stands in it {row['n_header']:,} times; these lines are no rows")
    return told


def _since(stored: Mapping[str, Meaning], earlier: Sequence[Staged]) -> str:
    """Since when ids are what they are, as a part of a sentence."""
    kind = stored.get("source.ids.user")
    return f"since release {kind.since}" if kind else f"since delivery {earlier[0].arrived.delivery.id}" if earlier else ""


def _before(incumbent: Incumbent, earlier: Sequence[Staged]) -> tuple[Before, str]:
    """What a delivery finds, and the name of the user states it goes on from."""
    events = [*incumbent.events, *(file for one in earlier for file in one.files("events"))]
    if not earlier:
        return Before(events, incumbent.state, incumbent.items, incumbent.users), incumbent.state_id
    last = earlier[-1]
    return Before(events, last.files("state"), last.frame("items"), last.frame("users")), last.folder.name


def ingest_rows(staged: Sequence[Staged], source: str, release_id: int, n_before: int) -> dict[str, pl.DataFrame]:
    """INGESTS (after ``n_before`` earlier ones), INGEST_FILES and INGEST_LINES of the staged deliveries, by the names of their tables."""
    ingests, files, lines = [], [], [INGEST_LINES.empty()]
    for sequence, one in enumerate(staged, start=n_before):
        arrived = one.arrived
        counts = one.frame("counts").row(0, named=True)
        told = {name: counts[name] for name in INGESTS.schema if name in counts}
        ingests.append(
            {
                "ingest_id": arrived.ingest_id,
                "source": source,
                "delivery_id": arrived.delivery.id,
                "sequence": sequence,
                "release_id": release_id,
                **told,
            }
        )
        files += [
            {"ingest_id": arrived.ingest_id, "file": name, "sha256": snapshot.sha256, "bytes": snapshot.n_bytes}
            for name, snapshot in zip(_names(arrived.delivery.files), arrived.snapshots, strict=True)
        ]
        hashes = {str(snapshot.path): snapshot.sha256 for snapshot in arrived.snapshots}
        read = one.frame("lines").with_columns(
            ingest_id=pl.lit(arrived.ingest_id), sha256=pl.col("path").replace_strict(hashes, return_dtype=pl.String)
        )
        lines.append(read.select(INGEST_LINES.empty().columns).cast(INGEST_LINES.schema))
    return {
        "ingests": rows_of(INGESTS, ingests, "ingest"),
        "ingest_files": rows_of(INGEST_FILES, files, "ingest"),
        "ingest_lines": check(pl.concat(lines), INGEST_LINES, "ingest"),
    }


def _names(files: Sequence[Path]) -> list[str]:
    """The files' names, with as many of their folders as tell them apart."""
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return names
    return [os.path.relpath(file, os.path.commonpath(files)) for file in files]

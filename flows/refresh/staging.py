"""Staging deliveries: each becomes one folder, complete or not there at all."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.refresh.deliveries import stage_delivery
from flows.refresh.delivery_job import Decided, DeliveryJob, EarlierData
from flows.refresh.forgotten import NOBODY, Forgotten
from flows.refresh.new_deliveries import NewDelivery
from flows.runtime.context import RunContext
from flows.stores.incumbent import Incumbent
from pipeline.errors import EmptyFileError, QuarantineError
from pipeline.ingest.config import IngestConfig
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.meaning import Meaning, counts_own_time, kinds_in
from pipeline.ingest.read_delivery import remarks
from pipeline.ingest.source import Source
from pipeline.records.config import RecordsConfig
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.ledger import add_quarantine
from pipeline.warehouse.statements import statement
from pipeline.warehouse.stored_files import StoredFile
from pipeline.warehouse.tables import QUARANTINE
from pipeline.warehouse.warehouse import Warehouse

KIND = "delivery"
# Part of every staging fingerprint: raised when the same raw rows become other staged rows.
_FORMAT = 4


@dataclass(frozen=True)
class StagedDelivery:
    """A delivery as it lies in the staging area, complete."""

    new: NewDelivery
    folder: Path

    def files(self, kind: str) -> list[Path]:
        """Parquet files of ``events``, ``records`` or ``state``."""
        return sorted((self.folder / kind).glob("*.parquet"))

    def frame(self, name: str) -> pl.DataFrame:
        """``items``, ``users`` (both whole), ``rejects``, ``refused`` (also known ones), ``lines``, ``rebuilt`` or ``counts``."""
        return pl.read_parquet(self.folder / f"{name}.parquet")

    @property
    def rebuilt(self) -> Path:
        """A Parquet file of user_id: those whose events and records are all in its files."""
        return self.folder / "rebuilt.parquet"

    @property
    def kinds(self) -> IdKinds:
        """What its ids are."""
        meaning = self._meaning()
        return IdKinds(meaning["user"], meaning["item"])

    @property
    def counts_own_time(self) -> bool | None:
        """Whether its times count from a start of their own; None without times."""
        counts: bool | None = self._meaning()["counts_own_time"]
        return counts

    def _meaning(self) -> dict[str, Any]:
        meaning: dict[str, Any] = json.loads((self.folder / "meaning.json").read_text())
        return meaning


@dataclass(frozen=True)
class StagingNight:
    """What is the same for all deliveries that a refresh stages.

    Attributes:
        context: the warehouse whose staging area is written, the run, and what runs the buckets of a delivery.
        source: reads the deliveries.
        ingest, records: settings.
        incumbent: the last release.
        stored: what gives the stored rows their meaning.
        forgotten: whose rows are left out.
    """

    context: RunContext
    source: Source
    ingest: IngestConfig
    records: RecordsConfig
    incumbent: Incumbent
    stored: Mapping[str, Meaning]
    forgotten: Forgotten = NOBODY


def stage_deliveries(
    night: StagingNight, new: Sequence[NewDelivery], tick: Callable[[int, int], None]
) -> tuple[list[StagedDelivery], list[str]]:
    """The deliveries staged, and the ids of those that are passed over: they hold no rows (yet), or bring nothing out of quarantine.

    Args:
        night: where and how.
        new: the deliveries, oldest first.
        tick: given how many of how many are done.

    Raises:
        EmptyFileError: there is nothing else, and no release either.
        QuarantineError: too many rows of a delivery were rejected.
        SourceError: a file is refused as a whole, or was written over meanwhile.
    """
    staged: list[StagedDelivery] = []
    unmended: list[str] = []
    empty: dict[str, EmptyFileError] = {}
    for number, delivery in enumerate(new, start=1):
        try:
            made = _stage(night, staged, delivery)
        except EmptyFileError as error:
            empty[delivery.delivery.id] = error
            night.context.run.say(f"{delivery.delivery.id}: no rows; passed over")
        else:
            if _mends_nothing(night.context.warehouse, made):
                unmended.append(delivery.delivery.id)
            else:
                staged.append(made)
        tick(number, len(new))
    if empty and not staged and night.incumbent.release is None:
        raise next(iter(empty.values()))
    return staged, [*empty, *unmended]


def _mends_nothing(warehouse: Warehouse, delivery: StagedDelivery) -> bool:
    """Whether a delivery was read again for its rows in quarantine, and all is as it was."""
    if not delivery.new.requeues or delivery.new.replaces:
        return False
    is_as_before = not delivery.frame("counts")["n_accepted"][0] and delivery.frame("rejects").is_empty()
    return is_as_before and no_longer_refused(warehouse, delivery).is_empty()


def no_longer_refused(warehouse: Warehouse, delivery: StagedDelivery) -> pl.DataFrame:
    """QUARANTINE: rows that the delivery brought again and that were not refused again for the same reason, on whichever line."""
    if not delivery.new.requeues:
        return QUARANTINE.empty()
    before = warehouse.read(QUARANTINE, statement("quarantine_of_ingests"), {"ingests": list(delivery.new.requeues)})
    return before.join(delivery.frame("refused"), on=["file", "raw", "reason"], how="anti")


def _stage(night: StagingNight, earlier: Sequence[StagedDelivery], new: NewDelivery) -> StagedDelivery:
    """The delivery, staged now or by a run that was killed; what it rejected is in the quarantine either way."""
    warehouse, run, ingest = night.context.warehouse, night.context.run, night.ingest
    job = _job(night, earlier, new)
    data, state_id = _earlier_data(night.incumbent, earlier)
    name = fingerprint(_FORMAT, new.ingest_id, state_id, night.source.config.model_dump(mode="json"), _cut(job))
    if not warehouse.staging.exists(KIND, name):
        try:
            with warehouse.staging.writing(KIND, name) as folder:
                counts = stage_delivery(job, data, folder, night.context.steps, lambda files: _quarantined(warehouse, files))
                for snapshot in new.snapshots:
                    snapshot.require_unchanged()
        except QuarantineError as error:
            add_quarantine(warehouse, run.run_id, new.ingest_id, error.rejects)
            raise
        run.say(
            f"{new.delivery.id}: {counts.n_accepted:,} events, {counts.n_records:,} records, {counts.n_rejected:,} rows rejected"
        )
        if counts.n_rebuilt:
            run.say(
                f"{new.delivery.id}: {counts.n_late:,} events lie before stored ones of their users; "
                f"{counts.n_rebuilt:,} users are laid out anew"
            )
    staged = StagedDelivery(new, warehouse.staging.path(KIND, name))
    for line in remarks(staged.frame("lines"), ingest.settle_hours):
        run.say(line)
    add_quarantine(warehouse, run.run_id, new.ingest_id, staged.frame("rejects"))
    return staged


def _job(night: StagingNight, earlier: Sequence[StagedDelivery], new: NewDelivery) -> DeliveryJob:
    has_own_clock = night.source.has_own_clock
    return DeliveryJob(
        source=night.source,
        delivery=new.delivery,
        ingest_id=new.ingest_id,
        ingest=night.ingest,
        records=night.records,
        decided=_decided(night.stored, earlier),
        latest=None if has_own_clock else night.context.run.started_at + timedelta(days=night.ingest.future_days),
        replaces=new.goes_first,
        forgotten=night.forgotten,
    )


def _cut(job: DeliveryJob) -> tuple[object, ...]:
    """What else decides how raw rows become staged ones: part of the fingerprint."""
    decided, records = job.decided, job.records
    return (
        job.ingest.buckets,
        records.slate_size,
        records.history_length,
        str(decided.kinds),
        decided.counts_own_time,
        str(job.ingest.earliest),
        job.replaces,
        *job.forgotten.parts,
    )


def _decided(stored: Mapping[str, Meaning], earlier: Sequence[StagedDelivery]) -> Decided:
    """What the last release, or earlier deliveries of the night, decided of ids and times."""
    own_times = [staged.counts_own_time for staged in earlier if staged.counts_own_time is not None]
    kind = stored.get("source.ids.user")
    since = f"since release {kind.since}" if kind else f"since delivery {earlier[0].new.delivery.id}" if earlier else ""
    return Decided(
        kinds=earlier[-1].kinds if earlier else kinds_in(stored),
        counts_own_time=own_times[0] if own_times else counts_own_time(stored),
        since=since,
    )


def _earlier_data(incumbent: Incumbent, earlier: Sequence[StagedDelivery]) -> tuple[EarlierData, str]:
    """What a delivery finds, and the name of the user states it goes on from."""
    events = live_files(incumbent.files.events, earlier, "events")
    if not earlier:
        return EarlierData(
            events, incumbent.files.state, incumbent.tables.items, incumbent.tables.users
        ), incumbent.files.state_id
    last = earlier[-1]
    return EarlierData(events, last.files("state"), last.frame("items"), last.frame("users")), last.folder.name


def live_files(stored: Sequence[StoredFile], staged: Sequence[StagedDelivery], kind: str) -> list[StoredFile]:
    """Files of ``events`` or ``records`` as they count after some staged deliveries, each without the users of later ones' ``rebuilt``.

    Args:
        stored: of the last release.
        staged: the night's deliveries, oldest first.
        kind: which files.
    """
    rebuilt = [delivery.rebuilt if delivery.frame("rebuilt").height else None for delivery in staged]

    def later(number: int) -> tuple[Path, ...]:
        return tuple(users for users in rebuilt[number:] if users)

    files = [replace(file, rebuilt=later(0)) for file in stored]
    files += [
        StoredFile(path, rebuilt=later(number))
        for number, delivery in enumerate(staged, start=1)
        for path in delivery.files(kind)
    ]
    return files


def _quarantined(warehouse: Warehouse, files: Sequence[str]) -> pl.DataFrame:
    """What published deliveries left in quarantine of files of these names."""
    return warehouse.query(statement("quarantined_rows"), {"files": list(files)})

"""Which deliveries are new, and staging them: each becomes one folder, complete or not there at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.deliveries import Before, Plan, stage_delivery
from flows.incumbent import Incumbent
from flows.run import Run
from flows.settings import Settings
from flows.steps import Steps
from pipeline.contracts import check
from pipeline.errors import ConfigError, QuarantineError
from pipeline.ingest.files import refusing
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.meaning import Meaning, counts_own_time, kinds_in
from pipeline.ingest.source import Delivery, Source
from pipeline.warehouse.artifacts import fingerprint, sha256_of
from pipeline.warehouse.ledger import add_quarantine
from pipeline.warehouse.tables import INGEST_FILES, INGESTS
from pipeline.warehouse.warehouse import Warehouse

KIND = "delivery"
# Part of every staging fingerprint: raised when the same raw rows become other staged rows.
_FORMAT = 2


@dataclass(frozen=True)
class Arrived:
    """A delivery that the warehouse does not know, with the hashes of its files."""

    delivery: Delivery
    sha256: tuple[str, ...]
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
        """``items``, ``users`` (both whole), ``rejects`` or ``counts``."""
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


def arrived_deliveries(source: Source, known_hashes: frozenset[str], first: date | None, last: date | None) -> list[Arrived]:
    """Deliveries with a file whose bytes the warehouse has not taken in, oldest first.

    Args:
        source: lists the deliveries.
        known_hashes: sha256 of the files taken in.
        first: no day before this one.
        last: no day after this one.

    Raises:
        ConfigError: days are asked for, but the deliveries are no days.
        SourceError: a file is missing or may not be read.
    """
    arrived = []
    for delivery in source.deliveries():
        day = delivery.occurred_on
        if day is None and (first or last):
            raise ConfigError(
                f"{source.name}: delivery {delivery.id} is no day, expected days for --from and --to; leave them out"
            )
        if day is not None and ((first and day < first) or (last and day > last)):
            continue
        hashes = tuple(_hash(file) for file in delivery.files)
        if not known_hashes.issuperset(hashes):
            arrived.append(Arrived(delivery, hashes, fingerprint(source.name, hashes)))
    return arrived


def _hash(file: Path) -> str:
    with refusing(file):
        return sha256_of(file)


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
        QuarantineError: too many rows were rejected.
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
                counts = stage_delivery(source, plan, before, folder, steps)
        except QuarantineError as error:
            add_quarantine(warehouse, run.run_id, arrived.ingest_id, error.rejects)
            raise
        run.say(
            f"{arrived.delivery.id}: {counts.n_accepted:,} events, {counts.n_records:,} records, {counts.n_rejected:,} rows rejected"
        )
    staged = Staged(arrived, warehouse.staging.path(KIND, name))
    add_quarantine(warehouse, run.run_id, arrived.ingest_id, staged.frame("rejects"))
    return staged


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


def ingest_rows(staged: Sequence[Staged], source: str, release_id: int, n_before: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """INGESTS and INGEST_FILES of the staged deliveries, after ``n_before`` earlier ones."""
    ingests, files = [], []
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
            {"ingest_id": arrived.ingest_id, "file": file.name, "sha256": sha256, "bytes": file.stat().st_size}
            for file, sha256 in zip(arrived.delivery.files, arrived.sha256, strict=True)
        ]
    return (
        check(pl.DataFrame(ingests, schema=INGESTS.schema), INGESTS, "ingest"),
        check(pl.DataFrame(files, schema=INGEST_FILES.schema), INGEST_FILES, "ingest"),
    )

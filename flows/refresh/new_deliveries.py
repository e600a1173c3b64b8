"""Which deliveries are new, changed, or to be read again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePath
from typing import Literal

from flows.refresh.raw_hashes import RawHashes
from flows.stores.incumbent import KnownFiles, PastIngest
from pipeline.errors import ConfigError
from pipeline.ingest.files import Snapshot
from pipeline.ingest.source import Delivery, Source
from pipeline.warehouse.artifacts import fingerprint

Again = Literal["corrected", "quarantined"]


@dataclass(frozen=True)
class NewDelivery:
    """A delivery that the warehouse does not know as it is now.

    Attributes:
        delivery: its files.
        snapshots: these as they were hashed.
        ingest_id: its id in the warehouse.
        replaces: earlier ingests of the delivery whose events go.
        requeues: earlier ingests of the delivery whose rows leave the quarantine, but for those that are refused again.
    """

    delivery: Delivery
    snapshots: tuple[Snapshot, ...]
    ingest_id: str
    replaces: tuple[str, ...] = ()
    requeues: tuple[str, ...] = ()


@dataclass(frozen=True)
class Days:
    """The days that a person asks for, both inclusive; None: any."""

    first: date | None = None
    last: date | None = None

    def holds(self, day: date) -> bool:
        """Whether a day is meant."""
        return not ((self.first and day < self.first) or (self.last and day > self.last))


def new_deliveries(
    source: Source,
    known: KnownFiles,
    days: Days,
    raw_hashes: RawHashes,
    settle_hours: float = 0.0,
    again: Again | None = None,
) -> list[NewDelivery]:
    """Deliveries with a file of their own whose bytes the warehouse has not taken in, oldest first.

    Also those whose last line waited and whose file has not changed for so long that it is finished. Where only files changed that
    all deliveries share, such as a catalogue, the newest delivery is read again for them.

    Args:
        source: lists the deliveries.
        known: what the warehouse knows.
        days: only deliveries of these.
        raw_hashes: of files as they were; gets those of files that are new.
        settle_hours: a file changed since may still be written.
        again: which deliveries that were taken in are taken in again: ``corrected`` ones instead of what they had brought;
            ``quarantined`` ones, and no others, for the rows that were refused.

    Raises:
        ConfigError: days are asked for, but the deliveries are no days.
        SourceError: a file is missing or may not be read.
    """
    if not source.config.is_begun():
        return []
    found, newest, seen = list[NewDelivery](), None, dict[Path, Snapshot]()
    settled_at = time.time() - 3600 * settle_hours
    for delivery in source.deliveries():
        day = delivery.occurred_on
        if day is None and (days.first or days.last):
            raise ConfigError(
                f"{source.name}: delivery {delivery.id} is no day, expected days for --from and --to; leave them out"
            )
        if day is not None and not days.holds(day):
            continue
        snapshots = tuple(seen.get(file) or seen.setdefault(file, raw_hashes.snapshot(file)) for file in delivery.files)
        hashes = [file.sha256 for file in snapshots]
        growing = frozenset(file.path for file in snapshots if settle_hours and file.modified_at > settled_at)
        sized = replace(delivery, n_bytes=tuple(file.n_bytes for file in snapshots), growing=growing)
        past = known.deliveries.get((source.name, delivery.id), [])
        names = [ingest.ingest_id for ingest in past]
        own = {file.sha256 for file in snapshots if file.path not in delivery.shared}
        has_settled = any(file.sha256 in known.waiting and file.path not in growing for file in snapshots)
        if again == "quarantined":
            if any(ingest.n_quarantined for ingest in past):
                name = fingerprint(source.name, hashes, "again after", names)
                found.append(NewDelivery(sized, snapshots, name, requeues=tuple(names)))
        elif again == "corrected" and _is_corrected([file for file in snapshots if file.path not in delivery.shared], past):
            name = fingerprint(source.name, hashes, "instead of", names)
            found.append(NewDelivery(sized, snapshots, name, replaces=tuple(names), requeues=tuple(names)))
        else:
            newest = NewDelivery(sized, snapshots, fingerprint(source.name, hashes, *(["settled"] if has_settled else [])))
            if has_settled or not known.hashes.issuperset(own):
                found.append(newest)
    taken = known.hashes.union(file.sha256 for new in found for file in new.snapshots)
    if newest and not taken.issuperset(file.sha256 for file in newest.snapshots):
        found.append(newest)
    return found


def _is_corrected(own: Sequence[Snapshot], past: Sequence[PastIngest]) -> bool:
    """Whether one of a delivery's files is not what an ingest whose events stand had read of it, nor that with more behind it.

    A night that was not asked for corrections may have taken in what was new of the file: what it took away stands all the same.
    """
    gone = {replaced for ingest in past for replaced in ingest.replaces}
    by_name: dict[str, list[Snapshot]] = {}
    for file in own:
        by_name.setdefault(file.path.name, []).append(file)
    read = [file for ingest in past if ingest.ingest_id not in gone for file in ingest.files]
    return any(
        (files := by_name.get(PurePath(name).name)) and not any(file.goes_on_from(sha256, n_bytes) for file in files)
        for name, sha256, n_bytes in read
    )

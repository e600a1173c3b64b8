"""Which deliveries are new, changed, or to be read again."""

import time
from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePath
from typing import Literal

from flows.refresh.raw_hashes import RawHashes
from flows.stores.incumbent import KnownFiles, PastIngest
from pipeline.errors import ConfigError, SourceError
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
        goes_first: the ``replaces`` of all corrected deliveries of the night, its own among them: events of any of them are gone
            before its rows are looked at, so that a row which a correction moved from one day to another is not known and then gone.
        requeues: earlier ingests of the delivery whose rows leave the quarantine, but for those that are refused again.
    """

    delivery: Delivery
    snapshots: tuple[Snapshot, ...]
    ingest_id: str
    replaces: tuple[str, ...] = ()
    goes_first: tuple[str, ...] = ()
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
        again: which deliveries that were taken in are taken in again: ``corrected`` ones instead of what they had brought, and with
            them those whose rows may have been known by what goes; ``quarantined`` ones, and no others, for the rows that were refused.

    Raises:
        ConfigError: days are asked for, but the deliveries are no days.
        SourceError: a file is missing or may not be read, or is gone from a delivery that was corrected.
    """
    if not source.config.is_begun():
        return []
    listed = _listed(source, known, days, raw_hashes, settle_hours)
    if again == "quarantined":
        return [
            each.as_ingest("again after", requeues=each.names)
            for each in listed
            if any(ingest.n_quarantined for ingest in each.past)
        ]
    corrected = [each for each in listed if again == "corrected" and each.is_corrected()]
    for each in corrected:
        each.require_all_there()
    goes = tuple(name for each in corrected for name in each.names)
    standing, ids = known.standing(goes), known.ids
    # What was corrected comes first: rows of the others may be those that it no longer has.
    found = [each.as_ingest("instead of", replaces=each.names, goes_first=goes, requeues=each.names) for each in corrected]
    others = [each for each in listed if each not in corrected]
    fresh = [each for each in others if each.has_settled or not standing.issuperset(each.own_hashes)]
    found += [each.as_new(ids) for each in fresh]
    taken = standing.union(file.sha256 for new in found for file in new.snapshots)
    if others and not taken.issuperset(others[-1].hashes):
        found.append(others[-1].as_new(ids))
    if goes:  # rows that counted as known may have been known by what goes
        found += [
            each.as_ingest("again after", *goes)
            for each in others
            if each not in fresh and any(ingest.n_known for ingest in each.past)
        ]
    return found


@dataclass(frozen=True)
class _Listed:
    """A delivery as the source lists it, and what the warehouse knows of it.

    Attributes:
        source: name of the source.
        delivery: its files.
        snapshots: these as they are now.
        past: what it was taken in as, the first ingest first.
        has_settled: whether a last line of it waited for its end, and its file has not changed for so long that it is finished.
    """

    source: str
    delivery: Delivery
    snapshots: tuple[Snapshot, ...]
    past: tuple[PastIngest, ...]
    has_settled: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of its ingests."""
        return tuple(ingest.ingest_id for ingest in self.past)

    @property
    def hashes(self) -> list[str]:
        """Of all its files."""
        return [file.sha256 for file in self.snapshots]

    @property
    def own(self) -> list[Snapshot]:
        """Files that no other delivery shares."""
        return [file for file in self.snapshots if file.path not in self.delivery.shared]

    @property
    def own_hashes(self) -> set[str]:
        """Of the files that no other delivery shares."""
        return {file.sha256 for file in self.own}

    def as_new(self, ids: Set[str]) -> NewDelivery:
        """The delivery as it is now; bytes that were taken in and then replaced, or came by another name, get another id."""
        plain = fingerprint(self.source, self.hashes, *(["settled"] if self.has_settled else []))
        if plain in ids:
            return self.as_ingest("again", self.delivery.id)
        return NewDelivery(self.delivery, self.snapshots, plain)

    def as_ingest(self, why: str, *more: str, **given: tuple[str, ...]) -> NewDelivery:
        """The delivery taken in after earlier times."""
        return NewDelivery(
            self.delivery, self.snapshots, fingerprint(self.source, self.hashes, why, *more, list(self.names)), **given
        )

    def _standing(self) -> list[tuple[str, str, int]]:
        """Name, hash and bytes of the files of its ingests whose events stand."""
        gone = {replaced for ingest in self.past for replaced in ingest.replaces}
        return [file for ingest in self.past if ingest.ingest_id not in gone for file in ingest.files]

    def is_corrected(self) -> bool:
        """Whether one of its files is not what an ingest whose events stand had read of it, nor that with more behind it.

        A night that was not asked for corrections may have taken in what was new of the file: what it took away stands all the same.
        """
        by_name: dict[str, list[Snapshot]] = {}
        for file in self.own:
            by_name.setdefault(file.path.name, []).append(file)
        return any(
            (files := by_name.get(PurePath(name).name)) and not any(file.goes_on_from(sha256, n_bytes) for file in files)
            for name, sha256, n_bytes in self._standing()
        )

    def require_all_there(self) -> None:
        """Refuse to read the delivery in place of what it had brought where some of its files are gone: their events would go too.

        Raises:
            SourceError: names one of them, and how many there are.
        """
        here = {file.path.name for file in self.snapshots}
        read = sorted({PurePath(name).name for name, *_ in self._standing()})
        if away := [name for name in read if name not in here]:
            raise SourceError(
                f"{self.source}: --corrected would read {self.delivery.id} in place of all that it had brought, but {len(away)} of its "
                f"{len(read)} files are no longer there, such as {away[0]}, and their events would go; put them back for this run"
            )


def _listed(source: Source, known: KnownFiles, days: Days, raw_hashes: RawHashes, settle_hours: float) -> list[_Listed]:
    """The deliveries of some days, oldest first.

    Raises:
        ConfigError: days are asked for, but the deliveries are no days.
    """
    listed, seen, settled_at = list[_Listed](), dict[Path, Snapshot](), time.time() - 3600 * settle_hours
    for delivery in source.deliveries():
        day = delivery.occurred_on
        if day is None and (days.first or days.last):
            raise ConfigError(
                f"{source.name}: delivery {delivery.id} is no day, expected days for --from and --to; leave them out"
            )
        if day is not None and not days.holds(day):
            continue
        snapshots = tuple(seen.get(file) or seen.setdefault(file, raw_hashes.snapshot(file)) for file in delivery.files)
        growing = frozenset(file.path for file in snapshots if settle_hours and file.modified_at > settled_at)
        sized = replace(delivery, n_bytes=tuple(file.n_bytes for file in snapshots), growing=growing)
        has_settled = any(file.sha256 in known.waiting and file.path not in growing for file in snapshots)
        past = tuple(known.deliveries.get((source.name, delivery.id), ()))
        listed.append(_Listed(source.name, sized, snapshots, past, has_settled))
    return listed

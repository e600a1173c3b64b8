"""What a release is made from: the warehouse before the run, and what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.refresh.external_vectors import ExternalFiles
from flows.refresh.staging import StagedDelivery, live_files
from flows.stores.incumbent import Incumbent, Tables
from pipeline.contracts import RECORD_ROWS
from pipeline.errors import SourceError
from pipeline.records.config import RecordsConfig
from pipeline.records.split import make_splits
from pipeline.warehouse.stored_files import StoredFile, scan


@dataclass(frozen=True)
class ReleaseInputs:
    """Everything that the release to come is made from.

    Attributes:
        release_id: the release to come.
        incumbent: the warehouse before the run.
        staged: the new deliveries, oldest first.
        external: the files of external vectors; None where there are none.
        records: files of all its records; each holds a bucket of users.
        tables: its small tables.
    """

    release_id: int
    incumbent: Incumbent
    staged: Sequence[StagedDelivery]
    external: ExternalFiles | None
    records: list[StoredFile]
    tables: Tables

    @property
    def ingest_ids(self) -> tuple[str, ...]:
        """Fingerprints of the new deliveries."""
        return tuple(delivery.new.ingest_id for delivery in self.staged)

    @property
    def state_id(self) -> str:
        """The user states after its deliveries, whose id stands for all of its records."""
        return self.staged[-1].folder.name if self.staged else self.incumbent.files.state_id

    @property
    def external_inputs(self) -> tuple[str, ...]:
        """How lineage names the files of external vectors."""
        return self.external.inputs if self.external else ()


def gather_inputs(
    release_id: int,
    config: RecordsConfig,
    incumbent: Incumbent,
    staged: Sequence[StagedDelivery],
    external: ExternalFiles | None,
) -> ReleaseInputs:
    """Lay together what was there and what is new, and split the records.

    Args:
        release_id: the release to come.
        config: the section ``records``.
        incumbent: the warehouse before the run.
        staged: the new deliveries, oldest first.
        external: the files of external vectors.

    Raises:
        SourceError: there is no record at all.
    """
    files, last = incumbent.files, staged[-1] if staged else None
    state = last.files("state") if last else files.state
    records = live_files(files.records, staged, "records")
    if not records:
        raise SourceError(_too_few_events(config.slate_size, state))
    tables = Tables(
        items=last.frame("items") if last else incumbent.tables.items,
        users=last.frame("users") if last else incumbent.tables.users,
        splits=make_splits(config, pl.scan_parquet(state), scan(records, RECORD_ROWS)),
    )
    return ReleaseInputs(release_id, incumbent, staged, external, records, tables)


def _too_few_events(slate_size: int, state: Sequence[Path]) -> str:
    """Why there is no record at all."""
    n_events = pl.read_parquet(list(state))["open_items"].list.len().to_list() if state else []
    return (
        f"records: no user has records.slate_size = {slate_size} events: {len(n_events):,} users have at most "
        f"{max(n_events, default=0)}; lower it, or wait for more events"
    )

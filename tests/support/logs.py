"""A small log whose nights are staged, or refreshed into a warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.refresh.deliveries import stage_delivery
from flows.refresh.delivery_job import Decided, DeliveryJob, EarlierData, RowCounts
from flows.refresh.flow import refresh
from flows.refresh.new_deliveries import NewDelivery
from flows.refresh.request import RefreshRequest
from flows.refresh.staging import StagedDelivery, live_files
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from pipeline.contracts import ITEMS, USERS
from pipeline.ingest.config import IngestConfig
from pipeline.ingest.table_config import TableSource
from pipeline.records.config import RecordsConfig
from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import LONG_COLUMNS, POSITIVE, log_toml

START = 1_500_000_000  # seconds since 1970: July 2017
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Night:
    """A delivery that was staged, and what the next one finds."""

    folder: Path
    counts: RowCounts
    found: EarlierData

    @property
    def events(self) -> pl.DataFrame:
        """EVENTS by user and user_seq."""
        files = sorted((self.folder / "events").iterdir())
        return pl.concat(pl.read_parquet(file) for file in files).sort("user_id", "user_seq")

    @property
    def items(self) -> pl.DataFrame:
        """ITEMS, the whole catalogue."""
        return pl.read_parquet(self.folder / "items.parquet")

    @property
    def rejected(self) -> dict[str, int]:
        """Rows in quarantine by reason."""
        rejects = pl.read_parquet(self.folder / "rejects.parquet")
        return dict(rejects["reason"].value_counts().sort("reason").iter_rows())


@dataclass(frozen=True)
class Log:
    """40 users × 25 events of items 1–30, a third of them clicked."""

    folder: Path

    @property
    def rows(self) -> pl.DataFrame:
        """The log: user_id, item_id, timestamp (100 s apart within the user), clicked."""
        pairs = [(user, n) for user in range(1, 41) for n in range(25)]
        return pl.DataFrame(
            {
                "user_id": [user for user, _ in pairs],
                "item_id": np.random.default_rng(0).integers(1, 31, len(pairs)),
                "timestamp": [START + 100 * n + user for user, n in pairs],
                "clicked": [int((user + n) % 3 == 0) for user, n in pairs],
            }
        )

    def later(self, days: int, n_events: int = 5) -> pl.DataFrame:
        """Rows of the same users some days later, ``n_events`` each."""
        moved = pl.col("timestamp") + 86_400 * days
        return self.rows.filter(pl.col("timestamp") < START + 100 * n_events).with_columns(moved)

    def write(self, rows: pl.DataFrame, name: str = "1.csv") -> Path:
        """Add a file to the log, as CSV or Parquet by its name."""
        path = self.folder / "logs" / name
        path.parent.mkdir(exist_ok=True)
        rows.write_parquet(path) if path.suffix == ".parquet" else rows.write_csv(path)
        return path

    def stage(
        self,
        rows: pl.DataFrame,
        name: str = "1.csv",
        after: Night | None = None,
        columns: Mapping[str, str] = LONG_COLUMNS,
        ingest: Mapping[str, Any] | None = None,
        **source: Any,
    ) -> Night:
        """Take in one file, in a second or less: what a refresh does up to the records, without a warehouse."""
        config = IngestConfig.model_validate({"buckets": 2, **(ingest or {})})
        section = {"positive": ["1"], "columns": columns, "path": self.write(rows, name)} | source
        opened = TableSource.model_validate(section).open(config.chunk_rows, config.quarantine_limit)
        (delivery,) = opened.deliveries()
        number = len(list(self.folder.glob("night-*")))
        folder = self.folder / f"night-{number}"
        earlier = StagedDelivery(NewDelivery(delivery, (), ""), after.folder) if after else None
        job = DeliveryJob(
            source=opened,
            delivery=delivery,
            ingest_id=f"i{number}",
            ingest=config,
            records=RecordsConfig(slate_size=5, history_length=10),
            decided=Decided(earlier.kinds, earlier.counts_own_time, "since release 1") if earlier else Decided(),
            latest=NOW + timedelta(days=config.future_days),
        )
        found = after.found if after else EarlierData([], [], ITEMS.empty(), USERS.empty())
        counts = stage_delivery(job, found, folder, DirectSteps(), lambda files: pl.DataFrame())
        staged = StagedDelivery(NewDelivery(delivery, (), ""), folder)
        events = live_files(found.events, [staged], "events")
        frames = (pl.read_parquet(folder / f"{name}.parquet") for name in ("items", "users"))
        return Night(folder, counts, EarlierData(events, sorted((folder / "state").iterdir()), *frames))

    def refresh(
        self,
        source: str = POSITIVE,
        columns: Mapping[str, str] | None = None,
        accept: Sequence[str] = (),
    ) -> dict[str, Any]:
        """A whole refresh of the files in ``logs``, with further columns or another source; the warehouse is ``w``."""
        config = self.folder / "log.toml"
        config.write_text(log_toml("logs/*", {**LONG_COLUMNS, **(columns or {})}, source))
        root = self.folder / "w"
        return refresh(
            load_settings(config, root), root, Run("daily-refresh"), DirectSteps(), RefreshRequest(accept=tuple(accept))
        )

    def ask(self, sql: str) -> Any:
        """The rows that the warehouse answers with."""
        return run_sql(self.folder / "w", sql).rows()

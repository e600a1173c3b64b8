"""Settings of the warehouse."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.warehouse.storage import Storage, fault_of

_RUNNER = re.compile(r"threads|dask(@[a-z]+://.+:\d+)?|ray(@(ray://)?[^@/]+:\d+)?")


class WarehouseConfig(BaseModel):
    """Section ``[warehouse]``: how long to wait for another writer and how much memory the engine takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lock_timeout_seconds: float = Field(3600.0, ge=0.0, description="How long a run waits for another run that is writing.")
    memory_limit_mb: int = Field(
        384, ge=128, description="Memory of the SQL engine in MB; above it, it spills to the warehouse's staging folder."
    )
    runner: str = Field(
        "threads",
        description="What does buckets, simulators, trainings and trials: threads and processes of this machine; dask or ray, a cluster "
        "of two workers for the length of the run; dask@tcp://host:port or ray@host:port, a cluster that runs. See docs/scale.md.",
    )

    catalog: str | None = Field(
        None,
        description="Where the catalogue of a new warehouse is: postgres: and a connection string without a password (PGPASSWORD), such as "
        "postgres:host=db.example dbname=hsrl; not given: catalog.sqlite in the folder, or where the warehouse has it.",
    )
    data: str | None = Field(
        None, description="Where the data files of a new warehouse are: s3://BUCKET/PREFIX/; not given: data/ in the folder."
    )

    @property
    def storage(self) -> Storage:
        """Where catalogue and data of a new warehouse are."""
        return Storage(self.catalog, self.data if self.data is None else f"{self.data.rstrip('/')}/")

    @model_validator(mode="after")
    def _is_a_storage(self) -> Self:
        if fault := fault_of(self.catalog, self.data):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _is_a_runner(self) -> Self:
        if not _RUNNER.fullmatch(self.runner):
            raise ValueError(
                f"runner {self.runner!r} is none; expected threads, dask, dask@tcp://host:port, ray or ray@host:port"
            )
        return self


class RetentionConfig(BaseModel):
    """What garbage collection keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: float = Field(30.0, ge=0.0, description="Releases younger than this many days can be opened as they were.")
    keep_releases: int = Field(7, ge=1, description="So can the last so many, however old.")
    resume_days: float = Field(7.0, ge=0.0, description="What a dead run staged is kept so many days for it to be continued.")

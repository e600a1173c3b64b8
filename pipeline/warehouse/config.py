"""Settings of the warehouse."""

from pydantic import BaseModel, ConfigDict, Field


class WarehouseConfig(BaseModel):
    """Section ``[warehouse]``: how long to wait for another writer and how much memory the engine takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lock_timeout_seconds: float = Field(3600.0, ge=0.0, description="How long a run waits for another run that is writing.")
    memory_limit_mb: int = Field(
        384, ge=128, description="Memory of the SQL engine in MB; above it, it spills to the warehouse's staging folder."
    )


class RetentionConfig(BaseModel):
    """What garbage collection keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: float = Field(30.0, ge=0.0, description="Releases younger than this many days can be opened as they were.")
    keep_releases: int = Field(7, ge=1, description="So can the last so many, however old.")
    resume_days: float = Field(7.0, ge=0.0, description="What a dead run staged is kept so many days for it to be continued.")

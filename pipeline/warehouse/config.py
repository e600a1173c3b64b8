"""Settings of the warehouse."""

from pydantic import BaseModel, ConfigDict, Field


class WarehouseConfig(BaseModel):
    """Section ``[warehouse]``: how long to wait for another writer and how much memory the engine takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lock_timeout_seconds: float = Field(3600.0, ge=0.0, description="How long a run waits for another run that is writing.")
    memory_limit_mb: int = Field(
        384, ge=128, description="Memory of the SQL engine in MB; above it, it spills to the warehouse's staging folder."
    )

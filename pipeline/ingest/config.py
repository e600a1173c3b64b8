"""Settings of the ingest: how rows are read and refused, and how a delivery may differ from the last ones."""

from pydantic import AwareDatetime, BaseModel, Field

from pipeline.ingest.section import SECTION


class IngestConfig(BaseModel):
    """How raw rows are read, spread over user buckets and refused."""

    model_config = SECTION

    buckets: int = Field(
        32,
        description="User buckets, each a file a night; a large one is done in parts. Fixed for a warehouse's life.",
        ge=1,
        le=4096,
    )
    quarantine_limit: float = Field(
        0.01, description="Share of rejected rows among the new ones of a file above which nothing is published.", ge=0, le=1
    )
    settle_hours: float = Field(
        24.0,
        description="A last line without a line end waits in quarantine until the file is written on, or is this many hours old.",
        ge=0,
    )
    chunk_rows: int = Field(200_000, description="Rows that are read at once.", ge=1)
    earliest: AwareDatetime | None = Field(
        None, description="No time lies before it; not given: 1990, unless most times of the first delivery lie before."
    )
    future_days: float = Field(1.0, description="No time lies more than so many days after the clock.", ge=0)


class DeliveriesConfig(BaseModel):
    """How a delivery may differ from the last ones: by which factor figures may fall or rise; 0 = any."""

    model_config = SECTION

    nights: int = Field(7, description="Deliveries that a new one is compared with.", ge=1)
    share_warn: float = Field(2.0, description="Shares (positives, known users and items): the factor that is a warning.", ge=0)
    share_block: float = Field(5.0, description="Shares: the factor that stops the release.", ge=0)
    count_warn: float = Field(4.0, description="Rows, users and items: the factor that is a warning.", ge=0)
    count_block: float = Field(50.0, description="Rows, users and items: the factor that stops the release.", ge=0)

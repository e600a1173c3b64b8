"""Every source, a line each: all that has to be told of a new one outside its own file (docs/adding-a-source.md)."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.movielens import MovieLensSource
from pipeline.ingest.section import SourceSection
from pipeline.ingest.table_config import TableSource

SOURCES: tuple[type[SourceSection], ...] = (
    MovieLensSource,
    TableSource,
    GeneratedSource,
)

SECTION_OF_KIND: dict[str | int, type[SourceSection]] = {source.model_fields["kind"].default: source for source in SOURCES}
"""The section of each kind, as ``kind`` of ``[source]`` names it."""

if TYPE_CHECKING:
    SourceConfig = SourceSection
else:
    SourceConfig = Annotated[Union[SOURCES], Field(discriminator="kind")]  # noqa: UP007 the members are not known before

"""Every source, a line each: a new source is its own file and a line here (docs/adding-a-source.md)."""

from typing import TYPE_CHECKING, Annotated, Union, get_args

from pydantic import Field

from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.movielens import MovieLensSource
from pipeline.ingest.ready import ReadySource
from pipeline.ingest.section import SourceSection
from pipeline.ingest.table_config import TableSource

SOURCES: tuple[type[SourceSection], ...] = (
    MovieLensSource,
    TableSource,
    GeneratedSource,
    ReadySource,
)

SECTION_OF_KIND: dict[str | int, type[SourceSection]] = {
    kind: source for source in SOURCES for kind in get_args(source.model_fields["kind"].annotation)
}
"""The section of each kind, as ``kind`` of ``[source]`` names it."""

if TYPE_CHECKING:
    SourceConfig = SourceSection
else:
    SourceConfig = Annotated[Union[SOURCES], Field(discriminator="kind")]  # noqa: UP007 the members are not known before

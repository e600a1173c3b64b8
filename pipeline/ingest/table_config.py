"""Settings of the source "table": which columns of a log are what, and how its files are written."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from pipeline.ingest.answers import canonical
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.section import CHUNK_ROWS, IDS_LIMIT, SECTION, SourceSection
from pipeline.ingest.source import Source


def _as_text(value: Any) -> Any:
    """A number or truth value of the configuration as the text that stands for it in a log."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


AnswerText = Annotated[str, BeforeValidator(_as_text)]
IdentityColumn = Literal[
    "user", "item", "time", "order", "feedback", "value", "request", "session", "position", "policy", "propensity"
]


class EventColumns(BaseModel):
    """Names of the columns of an event file; what is not named is not read."""

    model_config = SECTION

    user: str = Field(description="The user's id.")
    item: str = Field(description="The item's id.")
    time: str | None = Field(None, description="When it happened, in time_unit.")
    order: str | None = Field(None, description="Place of the event within its user, a whole number; goes before time.")
    feedback: str | None = Field(None, description="The answer: one of positive, or 0 and 1 where positive is not given.")
    value: str | None = Field(None, description="The graded signal, a number; with positive_above it decides the feedback.")
    request: str | None = Field(None, description="The request whose slate held the item.")
    session: str | None = Field(None, description="The visit.")
    position: str | None = Field(None, description="Place in the slate, 0 = first.")
    policy: str | None = Field(None, description="The policy that chose what was shown.")
    propensity: str | None = Field(None, description="Probability in (0, 1] with which that policy showed the item.")
    categories: list[str] = Field([], description="Columns that hold the item's categories, coarsest first.")
    item_attributes: list[str] = Field([], description="Columns that describe the item.")
    user_attributes: list[str] = Field([], description="Columns that describe the user.")

    @model_validator(mode="after")
    def _tells_order_and_answer(self) -> Self:
        if not (self.time or self.order):
            raise ValueError("neither time nor order is mapped; name the column that orders a user's events")
        if not (self.feedback or self.value):
            raise ValueError("neither feedback nor value is mapped; name the column that holds the answer")
        return self


class ItemColumns(BaseModel):
    """Names of the columns of an item file; every other column becomes an attribute."""

    model_config = SECTION

    item: str = Field(description="The item's id.")
    title: str | None = Field(None, description="Name of the item for people.")
    categories: list[str] = Field([], description="Columns that hold the categories, coarsest first.")


class UserColumns(BaseModel):
    """Names of the columns of a user file; every other column becomes an attribute."""

    model_config = SECTION

    user: str = Field(description="The user's id.")


class TextFormat(BaseModel):
    """How a delimited text file is written; Parquet files need none of this."""

    model_config = SECTION

    separator: str | None = Field(
        None, description="What parts the fields; left out: a tab for .tsv, else a comma.", min_length=1
    )
    quote: str = Field('"', description="What fields with a separator inside are quoted by, or an empty text.", max_length=1)
    multiline: bool = Field(
        False, description="Whether a quoted field may run over several lines; else each line is a row or is rejected."
    )
    has_header: bool = Field(True, description="Whether the first line names the columns.")
    names: list[str] = Field([], description="Names of the columns of a file without a header, in order.")
    encoding: str = Field("utf-8", description="Encoding of the text, as Python names it.")

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, name: str) -> str:
        try:
            keeps_lines = "\n".encode(name) == b"\n"
        except LookupError as error:
            raise ValueError("no such encoding; take one that Python names, such as utf-8 or latin-1") from error
        if not keeps_lines:
            raise ValueError("lines do not end with the byte 10 in this encoding; convert the file to utf-8")
        return name

    @model_validator(mode="after")
    def _names_its_columns(self) -> Self:
        if self.separator and (self.separator == self.quote or "\n" in self.separator or "\r" in self.separator):
            raise ValueError("the separator is the quote or holds a line end; set another separator")
        if self.multiline and not self.quote:
            raise ValueError('a field of several lines is told by its quotes; set quote = "\\"", or multiline = false')
        if self.quote and len(self.separator or "") > 1:
            raise ValueError('a separator of several characters goes without quotes; set quote = ""')
        if self.has_header == bool(self.names):
            raise ValueError("a file has a header or names, not both: set has_header = false and names = [...], or neither")
        return self


class ItemFile(TextFormat):
    """The catalogue: every item that may be shown."""

    path: Path = Field(description="A file, or a glob of files, that together list all items.")
    columns: ItemColumns = Field(description="The item file's columns.")
    category_separator: str | None = Field(None, description="What parts several categories in one cell.", min_length=1)


class UserFile(TextFormat):
    """The users and what is known of them."""

    path: Path = Field(description="A file, or a glob of files.")
    columns: UserColumns = Field(description="The user file's columns.")


class TableSource(SourceSection, TextFormat):
    """Any CSV, TSV or Parquet log, plain, .gz or .xz, one file or a glob."""

    free_to_change: ClassVar[frozenset[str]] = SourceSection.free_to_change | {
        *("delivery", "ids", "title", "categories", "item_attributes", "user_attributes", "category_separator"),
        "separator",  # another parts no rows, so that they are refused
    }

    kind: Literal["table"] = Field("table", description="Any CSV, TSV or Parquet log.")
    name: str = Field("table", description="Name of the source in the warehouse.", min_length=1)
    path: Path = Field(description="The event file, or a glob of event files; read in the order of their names.")
    columns: EventColumns = Field(description="The event file's columns.")
    time_unit: Literal["s", "ms", "us", "iso"] = Field("s", description="Unit of the time since 1970, or ISO 8601 text (UTC).")
    positive: list[AnswerText] | None = Field(
        None, description="Answers of the feedback column that are positive; 1, 1.0, 01 and true are one.", min_length=1
    )
    positive_above: float | None = Field(None, description="A value above this is positive; instead of a feedback column.")
    ids: Literal["auto", "integer", "text"] = Field(
        "auto",
        description="Whole numbers, or texts that are hashed to 63 bits; auto: as the whole first delivery is, for good.",
    )
    identity: list[IdentityColumn] | Literal["row"] | None = Field(
        None,
        description="Mapped columns in which two events of a user, an item and a time differ; not given: all of them; "
        "'row': every row is an event of its own.",
    )
    category_separator: str | None = Field(None, description="What parts several categories in one cell.", min_length=1)
    items: ItemFile | None = Field(None, description="The catalogue; without one, items are those of the events.")
    users: UserFile | None = Field(None, description="What is known of the users.")
    delivery: Literal["file", "all"] = Field("file", description="What arrives together: each event file by itself, or all.")

    @model_validator(mode="after")
    def _names_mapped_columns(self) -> Self:
        for name in self.identity if isinstance(self.identity, list) else ():
            if getattr(self.columns, name) is None:
                raise ValueError(f"identity names {name}, which is not mapped; map columns.{name}, or leave it out")
        return self

    @model_validator(mode="after")
    def _decides_the_answer(self) -> Self:
        if self.columns.feedback is None and self.positive_above is None:
            raise ValueError("columns.feedback is not mapped; set positive_above, the value above which an event is positive")
        if self.columns.feedback is not None and self.positive_above is not None:
            raise ValueError("both columns.feedback and positive_above are given; the feedback comes from one of them")
        if self.columns.feedback is None and self.positive is not None:
            raise ValueError("positive is given without columns.feedback, the column whose texts it lists")
        return self

    def open(self, chunk_rows: int = CHUNK_ROWS, ids_limit: float = IDS_LIMIT) -> Source:
        """See ``SourceSection``."""
        from pipeline.ingest.table import TableLog  # which reads by this section

        return TableLog(self, chunk_rows, ids_limit)

    def id_kinds(self) -> IdKinds | None:
        """What ``ids`` says."""
        return None if self.ids == "auto" else IdKinds(self.ids, self.ids)

    def meaning_of_field(self, setting: str, name: str, value: Any) -> list[tuple[str, str]]:
        """See ``SourceSection``; of lists the order has no meaning, and of the files of items and users only their ids have one."""
        if isinstance(value, ItemFile | UserFile):
            return self.meaning_of_fields(value.columns, f"{setting}.columns.")
        if name in ("items", "users") and value is None:  # a catalogue may come later; its ids then are what they are
            return []
        if name == "positive" and value is not None:
            value = sorted({canonical(text) for text in value})
        if name == "identity" and isinstance(value, list):
            value = sorted({*value} - {"user", "item"})
        return super().meaning_of_field(setting, name, value)

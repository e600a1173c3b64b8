"""Which columns of a raw log are what, and how its files are written: the parts of a ``[source]`` of tables."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from pipeline.ingest.path_columns import names_in
from pipeline.ingest.section import SECTION

# One column, or several that together make an id.
Columns = str | Annotated[list[str], Field(min_length=1)]


class EventColumns(BaseModel):
    """Names of the columns of an event file, nested fields by dotted names; what is not named is not read."""

    model_config = SECTION

    user: Columns = Field(description="The user's id; several columns together are one id.")
    item: Columns = Field(description="The item's id, or several columns.")
    time: str | None = Field(None, description="When it happened, in time_unit.")
    order: str | None = Field(None, description="Place of the event within its user, a whole number; goes before time.")
    feedback: str | None = Field(None, description="The answer: one of positive, or 0 and 1 where positive is not given.")
    value: str | None = Field(None, description="The graded signal, a number; with positive_above it decides the feedback.")
    request: Columns | None = Field(None, description="The request whose slate held the item, or several columns.")
    session: Columns | None = Field(None, description="The visit, or several columns.")
    position: str | None = Field(None, description="Place in the slate, 0 = first.")
    policy: Columns | None = Field(None, description="The policy that chose what was shown, or several columns.")
    propensity: str | None = Field(None, description="Probability in (0, 1] with which that policy showed the item.")
    categories: list[str] = Field([], description="Columns that hold the item's categories, coarsest first.")
    item_attributes: list[str] = Field([], description="Columns that describe the item.")
    user_attributes: list[str] = Field([], description="Columns that describe the user.")


class CoreConfig(BaseModel):
    """How many events users and items need in a delivery for their rows to be taken; others go to quarantine, beyond its limit."""

    model_config = SECTION

    users: int = Field(1, description="Least events of a user.", ge=1)
    items: int = Field(1, description="Least events of an item: 50 is the 50-core of KuaiRand's papers.", ge=1)


class ItemColumns(BaseModel):
    """Names of the columns of an item file; every other column becomes an attribute."""

    model_config = SECTION

    item: Columns = Field(description="The item's id, or several columns.")
    title: str | None = Field(None, description="Name of the item for people.")
    categories: list[str] = Field([], description="Columns that hold the categories, coarsest first.")


class UserColumns(BaseModel):
    """Names of the columns of a user file; every other column becomes an attribute."""

    model_config = SECTION

    user: Columns = Field(description="The user's id, or several columns.")


class TextFormat(BaseModel):
    """How a delimited text file is written; Parquet files need none of this."""

    model_config = SECTION

    format: Literal["auto", "sequences", "map"] = Field(
        "auto",
        description="auto: Parquet, JSON lines or delimited text, by the first bytes; sequences: a user and the items a line, as columns "
        "user and items; map: one JSON object of ids, as columns key and value.",
    )
    member: str | None = Field(
        None, description="A glob of the members to read of a zip file; not given: its only one.", min_length=1
    )
    path_columns: str | None = Field(
        None, description="How paths end and which columns they hold: day={day}/*.csv, {policy}/{campaign}.csv."
    )
    may_lack: list[str] = Field([], description="Columns of the mapping that a file may be without; they are then empty.")
    separator: str | None = Field(
        None, description="What parts the fields; left out: a tab for .tsv and RecBole's files, else a comma.", min_length=1
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

    @field_validator("path_columns")
    @classmethod
    def _names_columns_of_paths(cls, template: str | None) -> str | None:
        if template is not None:
            names_in(template)
        return template

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

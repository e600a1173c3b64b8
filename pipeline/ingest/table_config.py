"""Settings of the source "table": which columns of a log are what, how its files are written, and what its answers mean."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.ingest.answers import canonical
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.rule import require_rule
from pipeline.ingest.section import CHUNK_ROWS, IDS_LIMIT, SourceSection
from pipeline.ingest.source import Source
from pipeline.ingest.table_layout import CoreConfig, EventColumns, ItemColumns, ItemFile, TextFormat, UserColumns, UserFile
from pipeline.ingest.times import Clock, offset_of, require_format

if TYPE_CHECKING:
    from pipeline.ingest.raw_rows import RawRows

__all__ = ["EventColumns", "ItemColumns", "ItemFile", "TableSource", "TextFormat", "UserColumns", "UserFile"]


def _as_text(value: Any) -> Any:
    """A number or truth value of the configuration as the text that a log has for it."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


AnswerText = Annotated[str, BeforeValidator(_as_text)]
IdentityColumn = Literal[
    "user", "item", "time", "order", "feedback", "value", "request", "session", "position", "policy", "propensity"
]
# Mapped columns that may hold a list, an element for each item.
ListColumn = Literal["item", "feedback", "value", "position", "propensity", "time"]


class TableSource(SourceSection, TextFormat):
    """Any CSV, TSV, JSON lines or Parquet log, plain or packed, one file, a glob, or members of zip files."""

    free_to_change: ClassVar[frozenset[str]] = SourceSection.free_to_change | {
        *("delivery", "ids", "title", "categories", "item_attributes", "user_attributes", "category_separator"),
        "separator",  # by a wrong separator no row has its fields, so that all are refused
        *("member", "may_lack"),  # which files there are, and which of them are old
    }

    kind: Literal["table"] = Field("table", description="Any CSV, TSV, JSON lines or Parquet log.")
    name: str = Field("table", description="Name of the source in the warehouse.", min_length=1)
    path: Path = Field(description="The event file, or a glob of event files; read in the order of their names.")
    columns: EventColumns = Field(description="The event file's columns.")
    time_unit: Literal["s", "ms", "us", "iso"] = Field("s", description="Unit of the time since 1970, or ISO 8601 text (UTC).")
    time_format: str | None = Field(
        None, description="How times are written, as strptime names it: %d/%m/%Y %H:%M; goes before time_unit."
    )
    utc_offset: str = Field("+00:00", description="How far the clocks of times without a zone, and of days, are ahead of UTC.")
    first_day: date | None = Field(None, description="First day of the log by these clocks; earlier rows go to quarantine.")
    last_day: date | None = Field(None, description="Last day of the log by these clocks; later rows go to quarantine.")
    positive: Annotated[list[AnswerText], Field(min_length=1)] | Literal["all"] | None = Field(
        None,
        description="Answers of the feedback column that are positive; 1, 1.0, 01 and true are one. 'all': every row is, as in a log "
        "of purchases, and no feedback column is needed.",
    )
    positive_above: float | None = Field(None, description="A value above this is positive; instead of a feedback column.")
    positive_where: str | None = Field(
        None,
        description="A SQL condition on columns of the file, read as numbers: is_click = 1 OR play_time_ms > 0.8 * duration_ms; it then "
        "decides, and a feedback column is only kept.",
    )
    core: CoreConfig | None = Field(None, description="Leave out users and items with few events; see CoreConfig.")
    grades: dict[str, float] = Field({}, description="The value of each answer of the feedback column, as {view = 0, buy = 3}.")
    blank_is_no: bool = Field(False, description="Whether an empty answer is a no; else its row goes to quarantine.")
    lists: list[ListColumn] = Field(
        [],
        description="Mapped columns that hold lists, the item first: a row is a slate, and its position the place in the list.",
    )
    list_separator: str | None = Field(
        None, description="What parts the elements of lists in a text; lists of Parquet and JSON need none.", min_length=1
    )
    answer_after: str | None = Field(
        None, description="What stands between an item of a list and its answer: - in N55689-1.", min_length=1
    )
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
            if getattr(self.columns, name) is None and not (name == "position" and self.lists):
                raise ValueError(f"identity names {name}, which is not mapped; map columns.{name}, or leave it out")
        return self

    @field_validator("utc_offset")
    @classmethod
    def _is_offset(cls, text: str) -> str:
        offset_of(text)
        return text

    @field_validator("time_format")
    @classmethod
    def _is_format(cls, form: str | None) -> str | None:
        if form is not None:
            require_format(form)
        return form

    @field_validator("positive_where")
    @classmethod
    def _is_rule(cls, rule: str | None) -> str | None:
        if rule is not None:
            require_rule(rule)
        return rule

    @model_validator(mode="after")
    def _reads_lists(self) -> Self:
        if self.format == "sequences" and "item" not in self.lists:
            raise ValueError('sequences hold a user\'s items in a line; set lists = ["item"] and map columns.item = "items"')
        if self.lists and (self.lists[0] != "item" or not isinstance(self.columns.item, str)):
            raise ValueError('lists are of items; let it begin so, lists = ["item", ...], and map columns.item to one column')
        if missing := [name for name in self.lists if getattr(self.columns, name) is None]:
            raise ValueError(f"lists names {missing[0]}, which is not mapped; map columns.{missing[0]}, or leave it out")
        if not self.lists and (self.answer_after or self.list_separator):
            raise ValueError('list_separator and answer_after are of lists; set lists = ["item"], or leave them out')
        if self.answer_after and self.columns.feedback:
            raise ValueError("answer_after and columns.feedback are both given; the answer comes from one of them")
        return self

    @model_validator(mode="after")
    def _counts_whole_deliveries(self) -> Self:
        if self.core and self.delivery != "all":
            raise ValueError('core counts events over a delivery; set delivery = "all"')
        return self

    @model_validator(mode="after")
    def _orders_events(self) -> Self:
        if not (self.columns.time or self.columns.order or self.lists):
            raise ValueError("source.columns: neither time nor order is mapped; name the column that orders a user's events")
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("first_day is after last_day")
        return self

    @model_validator(mode="after")
    def _decides_the_answer(self) -> Self:
        feedback = self.columns.feedback or self.answer_after
        if not (feedback or self.columns.value or self.positive == "all" or self.positive_where):
            raise ValueError(
                "source.columns: neither feedback nor value is mapped; name the column of the answer, or, where every row is a positive, "
                'set positive = "all"'
            )
        if self.positive == "all" or self.positive_where:
            if self.positive_above is not None or (self.positive and self.positive_where):
                raise ValueError("of positive, positive_above and positive_where one decides; leave the others out")
        elif not feedback and self.positive_above is None:
            raise ValueError("columns.feedback is not mapped; set positive_above, the value above which an event is positive")
        elif feedback and self.positive_above is not None:
            raise ValueError("both columns.feedback and positive_above are given; the feedback comes from one of them")
        elif not feedback and self.positive is not None:
            raise ValueError("positive is given without columns.feedback, the column whose texts it lists")
        if self.grades and (not feedback or self.columns.value):
            raise ValueError("grades give the answers of columns.feedback a value; map that, and not columns.value")
        return self

    def open(self, chunk_rows: int = CHUNK_ROWS, ids_limit: float = IDS_LIMIT) -> Source:
        """See ``SourceSection``."""
        from pipeline.ingest.table import TableLog  # which reads by this section

        return TableLog(self, chunk_rows, ids_limit)

    def raw_rows(self, files: Collection[str]) -> "Mapping[str, RawRows]":
        """See ``SourceSection``."""
        from pipeline.ingest.table_raw_rows import raw_rows_of_table  # which reads by this section

        return raw_rows_of_table(self, files)

    @property
    def clock(self) -> Clock:
        """How its times are read."""
        return Clock(self.time_unit, self.time_format, offset_of(self.utc_offset), self.first_day, self.last_day)

    @property
    def has_refusals(self) -> bool:
        """See ``SourceSection``."""
        return self.positive != "all"

    def id_kinds(self) -> IdKinds | None:
        """What ``ids`` says."""
        return None if self.ids == "auto" else IdKinds(self.ids, self.ids)

    def meaning_of_field(self, setting: str, name: str, value: Any) -> list[tuple[str, str]]:
        """See ``SourceSection``; of lists the order has no meaning, and of the files of items and users only their ids have one."""
        if isinstance(value, ItemFile | UserFile):
            return self.meaning_of_fields(value.columns, f"{setting}.columns.")
        if name in ("items", "users") and value is None:  # a catalogue may come later; its ids then are what they are
            return []
        if isinstance(value, CoreConfig):  # one setting, so that to leave it out is a change
            value = value.model_dump()
        if name == "positive" and isinstance(value, list):
            value = sorted({canonical(text) for text in value})
        if name == "identity" and isinstance(value, list):
            value = sorted({*value} - {"user", "item"})
        return super().meaning_of_field(setting, name, value)

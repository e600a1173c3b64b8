"""MovieLens-1M and MovieLens-100K in their official layouts, and ratings files with ranks instead of times.

Layouts as in the README files of GroupLens' archives: ml-1m separates fields by ``::``, ml-100k by tabs and pipes, with 19 genre
flags behind each title; neither has a header.
"""

import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

import polars as pl
from pydantic import Field

from pipeline.columns import TIMESTAMP
from pipeline.contracts import ITEMS, RAW_EVENTS, USERS, check
from pipeline.errors import SourceError
from pipeline.ingest import cells, reasons
from pipeline.ingest.cells import LINE, Check, split_rejects
from pipeline.ingest.delimited import Rows, read_rows
from pipeline.ingest.files import Archive, open_raw, refusing
from pipeline.ingest.identity import Identity
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.layout import Layout, open_line_of
from pipeline.ingest.raw_rows import KINDS, RawRows
from pipeline.ingest.section import CHUNK_ROWS, IDS_LIMIT, SourceSection
from pipeline.ingest.source import Delivery, RawBatch, file_lines


class MovieLensSource(SourceSection):
    """MovieLens-1M or MovieLens-100K in the official layout."""

    free_to_change: ClassVar[frozenset[str]] = SourceSection.free_to_change | {"ratings"}

    kind: Literal["movielens"] = Field("movielens", description="MovieLens-1M or MovieLens-100K.")
    name: str = Field("movielens", description="Name of the source in the warehouse.", min_length=1)
    path: Path = Field(description="The official zip, or the folder it unpacks to.")
    ratings: Path | None = Field(None, description="Ratings file (plain, .gz or .xz) to read in place of the archive's own.")
    ratings_order: Literal["time", "rank"] = Field(
        "time", description="Meaning of the ratings' fourth field: unix seconds, or the place within the user."
    )
    positive_above: float = Field(3.0, description="A rating above this many stars is positive.")

    def open(self, chunk_rows: int = CHUNK_ROWS, ids_limit: float = IDS_LIMIT) -> "MovieLens":
        """See ``SourceSection``."""
        return MovieLens(self, chunk_rows)

    def raw_rows(self, files: Collection[str]) -> Mapping[str, RawRows]:
        """See ``SourceSection``."""
        try:
            return self.open().raw_rows(files)
        except SourceError:  # the archive is gone
            return {}


ML_100K_GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
RATING_FIELDS = ("user", "item", "rating", "rank_or_time")


@dataclass(frozen=True)
class _Release:
    """Where one MovieLens release keeps what, and how."""

    ratings: str
    items: str
    users: str
    ratings_layout: Layout
    items_layout: Layout
    users_layout: Layout


ML_1M = _Release(
    "ratings.dat",
    "movies.dat",
    "users.dat",
    Layout(RATING_FIELDS, "::", quote=""),
    Layout(("item", "title", "genres"), "::", quote="", encoding="latin-1"),
    Layout(("user", "gender", "age", "occupation", "zip"), "::", quote=""),
)
ML_100K = _Release(
    "u.data",
    "u.item",
    "u.user",
    Layout(RATING_FIELDS, "\t", quote=""),
    Layout(("item", "title", "released", "video_released", "url", *ML_100K_GENRES), "|", quote="", encoding="latin-1"),
    Layout(("user", "age", "gender", "occupation", "zip"), "|", quote=""),
)


@dataclass(frozen=True)
class _Text:
    """One text of the release, opened."""

    content: str
    path: Path
    name: str
    stream: BinaryIO
    layout: Layout


class MovieLens:
    """One delivery: the archive, with its own ratings or those of another file."""

    has_catalogue = True
    has_own_clock = False
    identity = Identity(("value",), ("rating",))

    def __init__(self, config: MovieLensSource, chunk_rows: int) -> None:
        self.name = config.name
        self.config = config
        self.chunk_rows = chunk_rows

    def deliveries(self) -> list[Delivery]:
        """The one delivery.

        Raises:
            SourceError: the archive or the ratings file is missing, damaged, shut, or no MovieLens release.
        """
        archive, release = self._opened()
        members = [release.items, release.users, *([] if self.config.ratings else [release.ratings])]
        files = [archive.file(member) for member in members]
        if self.config.ratings:
            open_raw(self.config.ratings).close()
            files.append(self.config.ratings)
        return [Delivery("all", tuple(dict.fromkeys(files)))]

    def kinds(self, delivery: Delivery) -> IdKinds:
        """Whole numbers, always."""
        return IdKinds()

    def read(self, delivery: Delivery, kinds: IdKinds | None = None) -> Iterator[RawBatch]:
        """Movies and users first, then the ratings in chunks.

        Raises:
            SourceError: a file is truncated, empty, or of another layout.
        """
        archive, release = self._opened()
        read_items = _items_1m if release is ML_1M else _items_100k
        read_users = _users_1m if release is ML_1M else _users_100k
        movies = _Text("items", *self._member(archive, release.items), release.items_layout)
        for rows, lines in self._rows(delivery, movies):
            good, rejects = split_rejects(rows.cells, _id_checks(["item"]), movies.name)
            yield RawBatch(
                items=check(read_items(good), ITEMS, movies.name), rejects=pl.concat([rows.rejects, rejects]), lines=lines
            )
        users = _Text("users", *self._member(archive, release.users), release.users_layout)
        for rows, lines in self._rows(delivery, users):
            good, rejects = split_rejects(rows.cells, _id_checks(["user"]), users.name)
            yield RawBatch(
                users=check(read_users(good), USERS, users.name), rejects=pl.concat([rows.rejects, rejects]), lines=lines
            )
        ratings = _Text("events", *self._ratings(archive, release, delivery), release.ratings_layout)
        for rows, lines in self._rows(delivery, ratings):
            good, rejects = split_rejects(rows.cells, _rating_checks(self.config.ratings_order), ratings.name)
            events = self._events(good, ratings.name)
            yield RawBatch(events=events, rejects=pl.concat([rows.rejects, rejects]), lines=lines)

    def raw_rows(self, files: Collection[str]) -> dict[str, RawRows]:
        """How the raw rows of the release's members, and of a ratings file, name their user and item.

        Raises:
            SourceError: the archive is missing, damaged, shut, or no MovieLens release.
        """
        archive, release = self._opened()
        texts = {
            release.items: release.items_layout,
            release.users: release.users_layout,
            release.ratings: release.ratings_layout,
        }
        layouts = {f"{archive.path.name}/{member}": layout for member, layout in texts.items()}
        if self.config.ratings:
            layouts[self.config.ratings.name] = release.ratings_layout
        return {
            file: RawRows({kind: kind for kind in KINDS if kind in layout.names}, layout.names, layout.separator, layout.quote)
            for file, layout in layouts.items()
            if file in files
        }

    def _opened(self) -> tuple[Archive, _Release]:
        archive = Archive(self.config.path)
        for release in (ML_1M, ML_100K):
            if release.items in archive.members:
                for member in [release.users, *([] if self.config.ratings else [release.ratings])]:
                    archive.require(member)
                return archive, release
        raise SourceError(
            f"{self.config.path}: no MovieLens release, holds {', '.join(sorted(archive.members)[:8]) or 'nothing'}; "
            f"expected {ML_1M.items} (ml-1m) or {ML_100K.items} (ml-100k)"
        )

    def _member(self, archive: Archive, member: str) -> tuple[Path, str, BinaryIO]:
        return archive.file(member), f"{archive.path.name}/{member}", archive.open(member)

    def _ratings(self, archive: Archive, release: _Release, delivery: Delivery) -> tuple[Path, str, BinaryIO]:
        if self.config.ratings is None:
            return self._member(archive, release.ratings)
        path = self.config.ratings
        return path, path.name, open_raw(path, delivery.size_of(path))

    def _rows(self, delivery: Delivery, text: _Text) -> Iterator[tuple[Rows, pl.DataFrame]]:
        # What an archive holds was written before its end; only files by themselves may still grow.
        may_grow = text.path in delivery.growing and not zipfile.is_zipfile(text.path)
        open_line = open_line_of(text.content, may_grow=may_grow)
        with refusing(text.path):
            for rows in read_rows(text.stream, text.name, text.layout, self.chunk_rows, open_line=open_line):
                yield rows, file_lines(text.name, text.path, text.content, rows)

    def _events(self, good: pl.DataFrame, file: str) -> pl.DataFrame:
        rating = cells.number("rating")
        is_ranked = self.config.ratings_order == "rank"
        columns = {
            "user_id": cells.integer("user"),
            "item_id": cells.integer("item"),
            "order": cells.integer("rank_or_time") if is_ranked else None,
            "occurred_at": None if is_ranked else cells.timestamp("rank_or_time", "s", pl.String()),
            "feedback": (rating > self.config.positive_above).cast(pl.UInt8),
            "value": rating,
            "file": pl.lit(file),
            "line": pl.col(LINE),
        }
        return check(good.select(*cells.in_contract(columns, RAW_EVENTS)), RAW_EVENTS, file)


def _id_checks(names: list[str]) -> list[Check]:
    return [(reasons.is_not(f"{name} id", "a whole number"), cells.whole_id(name, cells.TEXT).is_null()) for name in names]


def _rating_checks(ratings_order: str) -> list[Check]:
    rank_or_time = (
        (reasons.is_not("rank", "a whole number"), cells.integer("rank_or_time").is_null())
        if ratings_order == "rank"
        else (reasons.is_not("time", "unix seconds"), cells.timestamp("rank_or_time", "s", pl.String()).is_null())
    )
    return [*_id_checks(["user", "item"]), (reasons.is_not("rating", "a number"), cells.number("rating").is_null()), rank_or_time]


def _items(good: pl.DataFrame, genres: pl.Expr, attributes: pl.Expr) -> pl.DataFrame:
    none = pl.lit(None, dtype=TIMESTAMP)
    return good.select(
        item_id=cells.integer("item"),
        raw_id="item",
        title=cells.text("title"),
        categories=genres,
        attributes=attributes,
        first_seen=none,
        last_seen=none,
        is_active=pl.lit(value=True),
    ).unique("item_id", keep="last", maintain_order=True)


def _items_1m(good: pl.DataFrame) -> pl.DataFrame:
    good = good.with_columns(year=pl.col("title").str.extract(r"\((\d{4})\)\s*$"))
    return _items(good, cells.categories(["genres"], "|"), cells.attributes(["year"]))


def _items_100k(good: pl.DataFrame) -> pl.DataFrame:
    good = good.with_columns(year=pl.col("released").str.extract(r"(\d{4})$"), release_date="released")
    flags = [pl.when(pl.col(genre).str.strip_chars() == "1").then(pl.lit(genre)) for genre in ML_100K_GENRES]
    return _items(good, pl.concat_list(flags).list.drop_nulls(), cells.attributes(["release_date", "year"]))


def _users(good: pl.DataFrame, attributes: pl.Expr) -> pl.DataFrame:
    users = good.select(user_id=cells.integer("user"), raw_id="user", attributes=attributes)
    return users.unique("user_id", keep="last", maintain_order=True)


def _users_1m(good: pl.DataFrame) -> pl.DataFrame:
    # Age and occupation are codes here (README of ml-1m), so they stay texts.
    return _users(good, cells.attributes(["gender", "age", "occupation"], as_texts=True))


def _users_100k(good: pl.DataFrame) -> pl.DataFrame:
    return _users(good, cells.attributes(["gender", "age", "occupation"]))

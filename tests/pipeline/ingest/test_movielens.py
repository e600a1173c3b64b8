"""MovieLens archives and ranked ratings, small and real."""

import lzma
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.ingest.movielens import MovieLens, MovieLensSource
from pipeline.ingest.source import RawBatch

MakeZip = Callable[..., Path]


def read(path: Path, chunk_rows: int = 100, **config: object) -> RawBatch:
    source = MovieLens(MovieLensSource(path=path, **config), chunk_rows)  # type: ignore[arg-type]
    (delivery,) = source.deliveries()
    batches = list(source.read(delivery))
    return RawBatch(*(pl.concat(frames) for frames in zip(*batches, strict=True)))


def test_ratings_become_events(ml_1m: MakeZip) -> None:
    """More than three stars is positive; 978300760 s is 2000-12-31 22:12:40 UTC."""
    events = read(ml_1m()).events
    assert events.select("user_id", "item_id", "feedback", "value", "line").rows() == [
        (1, 1, 1, 5.0, 1),
        (1, 3, 0, 3.0, 2),
        (2, 1, 1, 4.0, 3),
        (2, 2, 0, 2.0, 4),
    ]
    assert events["occurred_at"][0] == datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC)
    assert events["file"].unique().to_list() == ["ml-1m.zip/ratings.dat"]
    assert events["order"].null_count() == 4


def test_movies_and_users_are_described(ml_1m: MakeZip) -> None:
    batch = read(ml_1m())
    assert batch.items.select("item_id", "raw_id", "title", "categories", "attributes").rows()[2] == (
        3,
        "3",
        "Léon (1994)",
        ["Crime", "Drama"],
        '{"year":1994}',
    )
    assert batch.users.rows()[0] == (1, "1", '{"gender":"F","age":"1","occupation":"10"}')


def test_ranked_ratings_have_an_order_and_no_time(ml_1m: MakeZip, tmp_path: Path) -> None:
    ranked = tmp_path / "ranked.dat.xz"
    ranked.write_bytes(lzma.compress(b"1::1::5::2\n1::3::3::1\n"))
    events = read(ml_1m(ratings=None), ratings=ranked, ratings_order="rank").events
    assert events.select("item_id", "order", "file").rows() == [(1, 2, "ranked.dat.xz"), (3, 1, "ranked.dat.xz")]
    assert events["occurred_at"].null_count() == 2


def test_a_folder_reads_like_its_zip(ml_1m: MakeZip, tmp_path: Path) -> None:
    path = ml_1m()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    from_folder, from_zip = read(tmp_path / "ml-1m"), read(path)
    assert from_folder.items.equals(from_zip.items)
    assert from_folder.events.drop("file").equals(from_zip.events.drop("file"))


def test_bad_ratings_are_rejected_with_line_and_reason(ml_1m: MakeZip) -> None:
    lines = [b"1::1::5::978300760"] * 5 + [
        b"1::2::five::978300760",
        b"x::2::5::978300760",
        b"1::2::5",
        b"1::2::5::soon",
        b"1::2::nan::1",
    ]
    batch = read(ml_1m(ratings=b"\n".join(lines)))
    assert batch.events.height == 5
    assert batch.rejects.sort("line").select("line", "reason").rows() == [
        (6, "rating is not a number"),
        (7, "user id is not a whole number"),
        (8, "wrong number of fields"),
        (9, "time is not unix seconds"),
        (10, "rating is not a number"),
    ]
    assert batch.rejects.sort("line")["raw"][0] == "1::2::five::978300760"


GOOD = st.builds("{}::{}::{}::{}".format, st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**9))
BAD = st.sampled_from(["::::::", "1::2", "a::b::c::d", "1::2::3::4::5", "1::2::x::4", "1,2,3,4", "1::2::3::99999999999999999999"])


@settings(max_examples=25, deadline=None)
@given(good=st.lists(GOOD, min_size=5), bad=st.lists(BAD, max_size=4), seed=st.randoms(use_true_random=False))
def test_good_lines_are_events_and_bad_lines_are_rejects(
    good: list[str], bad: list[str], seed: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ml")
    lines = good + bad
    seed.shuffle(lines)  # type: ignore[attr-defined]
    (folder / "ratings.dat").write_text("\n".join(lines))
    (folder / "movies.dat").write_text("1::A (2000)::Drama\n")
    (folder / "users.dat").write_text("1::F::1::10::48067\n")
    batch = read(folder, chunk_rows=3 if len(bad) == 0 else 100)
    assert [lines[line - 1] for line in batch.events["line"]] == [line for line in lines if line in good]
    assert sorted(batch.rejects["raw"]) == sorted(bad)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ratings": None}, r"ml-1m\.zip: has no ratings\.dat, only movies\.dat, users\.dat"),
        ({"movies": None}, r"ml-1m\.zip: no MovieLens release, holds ratings\.dat, users\.dat; expected movies\.dat"),
        ({"ratings": b""}, r"ml-1m\.zip: its ratings\.dat is empty"),
        ({"ratings": b"1,1,5,978300760\n"}, r"ml-1m\.zip/ratings\.dat: 1 of the first 1 lines are not 4 fields parted by '::'"),
    ],
)
def test_an_archive_of_another_kind_is_refused(ml_1m: MakeZip, changed: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(ml_1m(**changed))


def test_a_truncated_ratings_file_and_a_missing_one_are_refused(ml_1m: MakeZip, tmp_path: Path) -> None:
    ranked = tmp_path / "ranked.dat.xz"
    with pytest.raises(SourceError, match="no such file"):
        read(ml_1m(), ratings=ranked)
    ranked.write_bytes(lzma.compress(b"1::1::5::2\n" * 9999)[:-30])
    with pytest.raises(SourceError, match=r"ranked\.dat\.xz: truncated or damaged"):
        read(ml_1m(), ratings=ranked)


@pytest.mark.real
def test_ml_1m_ranked_is_whole(shared_data: Path) -> None:
    folder = shared_data / "ml-1m"
    batch = read(
        folder / "ml-1m-first-2999-users.zip",
        500_000,
        ratings=folder / "ml-1m-all-ratings-rank-not-timestamp.dat.xz",
        ratings_order="rank",
    )
    events = batch.events
    assert (events.height, events["user_id"].n_unique(), events["item_id"].n_unique()) == (1_000_209, 6_040, 3_706)
    assert (batch.items.height, batch.users.height, batch.rejects.height) == (3_883, 6_040, 0)
    assert events["value"].value_counts(sort=False).sort("value")["count"].to_list() == [
        56_174,
        107_557,
        261_197,
        348_971,
        226_310,
    ]


@pytest.mark.real
def test_ml_1m_with_times_and_ml_100k_are_whole(shared_data: Path) -> None:
    timed = read(shared_data / "ml-1m" / "ml-1m-first-2999-users.zip", 500_000)
    assert (timed.events.height, timed.rejects.height) == (487_650, 0)
    small = read(shared_data / "ml-100k" / "ml-100k.zip", 500_000)
    assert (small.events.height, small.items.height, small.users.height, small.rejects.height) == (100_000, 1_682, 943, 0)
    assert small.items.row(0, named=True)["categories"] == ["Animation", "Children's", "Comedy"]
    assert small.items.row(0, named=True)["attributes"] == '{"release_date":"01-Jan-1995","year":1995}'
    assert small.users.row(0, named=True)["attributes"] == '{"gender":"M","age":24,"occupation":"technician"}'

"""Files of vectors: every form and type they come in, and what is wrong with them, in one line."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pipeline.embeddings.vector_arrays import read_ids
from pipeline.embeddings.vector_file import VectorFile, open_vectors
from pipeline.errors import ContractError

VECTORS = np.arange(21, dtype=np.float32).reshape(7, 3) - 5  # whole numbers: every type holds them
IDS = list(range(10, 17))


def read(file: VectorFile) -> np.ndarray:
    """All its vectors."""
    return np.concatenate([np.zeros((0, file.width), np.float32), *(rows.vectors for rows in file.chunks())])


def opened(path: Path, **more: Any) -> VectorFile:
    return open_vectors(path, "encode", **({"raw_width": 3} | more))


def lists(kind: pa.DataType, path: Path, write: Callable[[pa.Table], None] | None = None) -> Path:
    """The vectors as a column of that type."""
    whole = pa.types.is_integer(kind.value_type) or pa.types.is_decimal(kind.value_type)
    rows = [[int(x) if whole else float(x) for x in row] for row in VECTORS]
    if kind.value_type == pa.float16():
        rows = [[np.float16(x) for x in row] for row in VECTORS]
    table = pa.table({"item_id": IDS, "vector": pa.array(rows, kind)})
    if write:
        write(table)
    else:
        pq.write_table(table, path)
    return path


KINDS = [
    *(pa.list_(number) for number in (pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.int64(), pa.decimal128(9, 2))),
    *(pa.large_list(number) for number in (pa.float32(), pa.float64())),
    *(pa.list_(number, 3) for number in (pa.float32(), pa.float64(), pa.int16())),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_lists_of_every_kind_in_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    file = opened(lists(kind, tmp_path / "v.parquet"))
    assert (file.width, file.n_rows, file.id_name) == (3, 7, "item_id")
    np.testing.assert_array_equal(read(file), VECTORS)
    assert next(file.chunks()).ids.to_list() == IDS  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [*KINDS, pa.list_view(pa.float32()), pa.large_list_view(pa.float64())], ids=str)
def test_lists_of_every_kind_in_arrow(tmp_path: Path, kind: pa.DataType) -> None:
    """A file, a stream, and Feather packed by zstd."""

    def write(table: pa.Table) -> None:
        for name, begin in (("v.arrow", pa.ipc.new_file), ("v.arrows", pa.ipc.new_stream)):
            with pa.OSFile(str(tmp_path / name), "wb") as sink, begin(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=2)
        if "view" not in str(kind):
            feather.write_feather(table, str(tmp_path / "v.feather"), compression="zstd")

    lists(kind, tmp_path, write)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read(opened(path)), VECTORS)


def test_lists_of_polars_duckdb_and_tensors(tmp_path: Path) -> None:
    rows = pl.DataFrame({"item_id": IDS, "vector": pl.Series(VECTORS)})
    rows.write_parquet(tmp_path / "array.parquet")
    rows.with_columns(pl.col("vector").arr.to_list()).write_parquet(tmp_path / "list.parquet")
    rows.write_ipc(tmp_path / "array.arrow", compression="lz4")
    rows.with_columns(pl.col("item_id").cast(pl.String)).write_ipc_stream(tmp_path / "array.arrows")
    duckdb.sql(f"COPY (SELECT item_id, vector::FLOAT[3] AS vector FROM rows) TO '{tmp_path}/duck.parquet'")
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(VECTORS)
    pq.write_table(
        pa.table({"raw_id": pa.array([str(each) for each in IDS]).dictionary_encode(), "vector": tensors}), tmp_path / "t.parquet"
    )
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    for path in files:
        np.testing.assert_array_equal(read(opened(path)), VECTORS)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", "i1", "u1", "<i2", ">i8", "<u4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_every_type_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, order: str) -> None:
    """In chunks of two."""
    monkeypatch.setattr("pipeline.embeddings.vector_rows.CHUNK_ROWS", 2)
    vectors = np.abs(VECTORS) if "u" in dtype else VECTORS
    np.save(tmp_path / "v.npy", np.asarray(vectors, dtype=dtype, order=order))
    file = opened(tmp_path / "v.npy")
    assert (file.width, file.n_rows) == (3, 7)
    np.testing.assert_array_equal(read(file), vectors)


@pytest.mark.parametrize(("name", "dtype"), [("v.f16", "<f2"), ("v.f32", "<f4"), ("v.F64", "<f8")])
def test_bare_numbers_are_read_only_where_the_name_says_so(tmp_path: Path, name: str, dtype: str) -> None:
    VECTORS.astype(dtype).tofile(tmp_path / name)
    np.testing.assert_array_equal(read(opened(tmp_path / name)), VECTORS)
    assert opened(tmp_path / name, raw_width=None, n_rows=7).width == 3
    (tmp_path / name).rename(tmp_path / "v.bin")
    with pytest.raises(ContractError, match=r"is no file of vectors.*\.f32"):
        opened(tmp_path / "v.bin")
    np.save(tmp_path / "v", VECTORS)
    (tmp_path / "v.npy").rename(tmp_path / "v.f32")
    np.testing.assert_array_equal(read(opened(tmp_path / "v.f32")), VECTORS)


def test_a_table_without_vectors_holds_none(tmp_path: Path) -> None:
    pl.DataFrame(schema={"vector": pl.List(pl.Float32)}).write_parquet(tmp_path / "v.parquet")
    assert read(opened(tmp_path / "v.parquet")).shape == (0, 0)


def saved(path: Path, array: Any) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)


MALFORMED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "one dimension": (lambda p: saved(p, VECTORS[0]), r"has the shape \(3,\), expected one vector a row"),
    "three dimensions": (lambda p: saved(p, VECTORS[None]), r"has the shape \(1, 7, 3\)"),
    "objects": (lambda p: saved(p, np.array([[1, "a"], [2, None]], dtype=object)), "Python objects, which are not opened"),
    "texts": (lambda p: saved(p, np.array([["a", "b"]])), "numbers of type <U1"),
    "complex": (lambda p: saved(p, VECTORS.astype(complex)), "numbers of type complex128"),
    "named fields": (lambda p: saved(p, np.zeros((3, 2), dtype=[("a", "f4")])), "expected float16, float32"),
    "no width": (lambda p: saved(p, np.zeros((3, 0))), r"has the shape \(3, 0\)"),
    "two arrays": (lambda p: [saved(p, VECTORS), p.write_bytes(2 * p.read_bytes())], "holds more than one array"),
    "cut npy": (lambda p: [saved(p, VECTORS), p.write_bytes(p.read_bytes()[:-4])], "is cut off: 208 bytes, expected 212"),
    "cut header": (lambda p: [saved(p, VECTORS), p.write_bytes(p.read_bytes()[:40])], "header is damaged"),
    "archive": (lambda p: np.savez(p.open("wb"), v=VECTORS), "zip or .npz archive"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps(VECTORS)), "holds Python objects, which are not opened"),
    "nothing": (lambda p: p.write_bytes(b""), "is empty"),
    "text": (lambda p: p.write_text("item_id,vector\n1,2\n"), "is no file of vectors"),
    "cut parquet": (
        lambda p: [lists(KINDS[1], p), p.write_bytes(p.read_bytes()[:-9])],
        "is no Parquet file, or is cut off or damaged",
    ),
    "a number a row": (
        lambda p: pl.DataFrame({"vector": [1.0]}).write_parquet(p),
        "vector is double, expected a list of numbers",
    ),
    "lists of texts": (
        lambda p: pl.DataFrame({"vector": [["a"]]}).write_parquet(p),
        "list<.*string.*>, expected a list of numbers",
    ),
    "lists of lists": (lambda p: pl.DataFrame({"vector": [[[1.0]]]}).write_parquet(p), "expected a list of numbers"),
    "another name": (lambda p: pl.DataFrame({"vec": [[1.0]]}).write_parquet(p), "has the columns vec, expected one named vector"),
    "ragged": (
        lambda p: pl.DataFrame({"item_id": IDS, "vector": [[1.0] * (2 if n in (1, 4) else 3) for n in range(7)]}).write_parquet(
            p
        ),
        r"2 of 7 vectors are not 3 long like the rest: item 11 \(2\), item 14 \(2\)",
    ),
    "no vector": (
        lambda p: pl.DataFrame({"vector": [[1.0, 2.0, 3.0], None]}).write_parquet(p),
        r"1 of 2 vectors are not 3 long like the rest: row 1 \(none\)",
    ),
    "no number": (
        lambda p: pl.DataFrame({"raw_id": ["a", "b"], "vector": [[1.0, 2.0, 3.0], [1.0, None, 3.0]]}).write_parquet(p),
        "1 of 2 vectors hold NaN, infinite or missing values: item b",
    ),
    "no id": (
        lambda p: pl.DataFrame({"item_id": [1, None], "vector": [[1.0]] * 2}).write_parquet(p),
        "1 of 2 vectors have no id: row 1",
    ),
    "ids that are times": (
        lambda p: pl.select(item_id=pl.datetime(2026, 1, 1), vector=pl.lit([1.0])).write_parquet(p),
        "item_id is Datetime.*, expected whole numbers or texts",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_file_of_vectors_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make, message = MALFORMED[name]
    make(tmp_path / "v")
    with pytest.raises(ContractError, match=message) as refused:
        read(opened(tmp_path / "v"))
    assert "\n" not in str(refused.value)


def test_a_stream_that_was_cut_between_batches_or_doubled_is_refused(tmp_path: Path) -> None:
    """The library itself takes either for a whole stream, of fewer rows."""

    def write(table: pa.Table) -> None:
        with pa.OSFile(str(tmp_path / "v"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)

    whole = lists(KINDS[1], tmp_path / "v", write).read_bytes()
    for raw, message in ((whole[:-8], "its end is missing"), (whole + whole, "a second stream follows")):
        (tmp_path / "v").write_bytes(raw)
        with pytest.raises(ContractError, match=message):
            read(opened(tmp_path / "v"))


def test_bad_rows_are_counted_over_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of two: the first names come from three chunks, the count from all."""
    monkeypatch.setattr("pipeline.embeddings.vector_rows.CHUNK_ROWS", 2)
    vectors = VECTORS.copy()
    vectors[[0, 2, 3, 6], 1] = [np.nan, np.inf, -np.inf, np.nan]
    np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(ContractError, match="4 of 7 vectors hold NaN.*: row 0, row 2, row 3 and 1 more"):
        read(opened(tmp_path / "v.npy"))


def damaged(draw: np.random.Generator, path: Path) -> int | None:
    """A file of vectors with something wrong, or nothing; its rows, where nothing is."""
    n, width = int(draw.integers(0, 9)), int(draw.integers(1, 6))
    vectors = draw.normal(size=(n, width)).astype(draw.choice(["f2", "f4", "f8", "i1"]))
    form = draw.choice(["npy", "parquet", "arrow", "arrows", "ragged"])
    if form == "npy":
        saved(path, np.asarray(vectors, order=draw.choice(["C", "F"])))
    else:
        rows = [row[: int(draw.integers(0, width + 1))] if form == "ragged" else row for row in vectors.astype(float).tolist()]
        frame = pl.DataFrame({"vector": rows, "item_id": range(n)}, schema={"vector": pl.List(pl.Float64), "item_id": pl.Int64})
        {"arrow": frame.write_ipc, "arrows": frame.write_ipc_stream}.get(form, frame.write_parquet)(path)
    fault = draw.choice(["none", "flip", "cut", "insert", "swap", "zeros"])
    raw = bytearray(path.read_bytes())
    where = int(draw.integers(0, len(raw)))
    if fault == "flip":
        for at in draw.integers(0, len(raw), int(draw.integers(1, 8))):
            raw[at] ^= 1 << int(draw.integers(0, 8))
    elif fault == "cut":
        raw = raw[:where]
    elif fault == "insert":
        raw[where:where] = draw.bytes(int(draw.integers(1, 20)))
    elif fault == "swap":
        raw = raw[where:] + raw[:where]
    elif fault == "zeros":
        raw[where : where + 16] = bytes(len(raw[where : where + 16]))
    path.write_bytes(raw)
    return n if fault == "none" and form != "ragged" else None


@pytest.mark.parametrize("seed", range(4))
def test_malformed_files_are_whole_vectors_or_one_line(tmp_path: Path, seed: int) -> None:
    """A hundred files a seed, written as .npy, Parquet and Arrow and then damaged in six ways."""
    draw = np.random.default_rng(seed)
    for number in range(100):
        path = tmp_path / f"{number}"
        n_rows = damaged(draw, path)
        try:
            file = opened(path)
            vectors = read(file)
        except ContractError as error:
            assert n_rows is None, error
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            assert np.isfinite(vectors).all() and vectors.ndim == 2
            assert n_rows in (None, len(vectors))
            assert file.n_rows in (None, len(vectors))


def test_ids_in_a_text_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbf7\r\n8\r\n")
    assert read_ids(tmp_path / "ids.txt", "ids").to_list() == ["7", "8"]


@pytest.mark.parametrize("title", ["item_id", '"Item_ID"', "raw_id ", "id"])
def test_a_title_above_ids_is_no_id(tmp_path: Path, title: str) -> None:
    """It would give every vector to the item after its own."""
    (tmp_path / "ids.txt").write_text(f"{title}\n7\n")
    with pytest.raises(ContractError, match="a title and no id; leave it out"):
        read_ids(tmp_path / "ids.txt", "ids")


@pytest.mark.parametrize("ids", [np.array([7.0, 8.0]), np.array([b"7", b"8"]), np.array([[7], [8]])])
def test_ids_of_a_wrong_type_come_with_a_way_to_save_them(tmp_path: Path, ids: np.ndarray) -> None:
    np.save(tmp_path / "ids.npy", ids)
    with pytest.raises(ContractError, match=r"save it flat and with \.astype\('int64'\) or \.astype\('str'\)"):
        read_ids(tmp_path / "ids.npy", "ids")


def test_whole_numbers_kept_as_decimals_are_ids(tmp_path: Path) -> None:
    for scale, ids in ((0, IDS), (2, [f"{each}.00" for each in IDS])):
        column = pl.Series("item_id", ids).cast(pl.Decimal(38, scale))
        pl.DataFrame({"item_id": column, "vector": VECTORS}).write_parquet(tmp_path / "v.parquet")
        found = [each for rows in opened(tmp_path / "v.parquet").chunks() if rows.ids is not None for each in rows.ids]
        assert found == IDS
    halves = pl.DataFrame({"item_id": pl.Series([0.5] * 7).cast(pl.Decimal(9, 1)), "vector": VECTORS})
    halves.write_parquet(tmp_path / "v.parquet")
    with pytest.raises(ContractError, match="expected whole numbers or texts"):
        list(opened(tmp_path / "v.parquet").chunks())

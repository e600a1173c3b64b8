"""A warehouse that is made once and copied for each test, and nights of a shop with one user to publish in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline import contracts
from pipeline.contracts import Table
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.tables import INGESTS
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse without a release; not to be written."""
    root = tmp_path_factory.mktemp("made") / "warehouse"
    Warehouse.create_or_open(root).close()
    return root


@pytest.fixture
def warehouse(empty_warehouse: Path, tmp_path: Path) -> Iterator[Warehouse]:
    """A copy of the empty warehouse, open, with this process as its writer."""
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    with Warehouse.open(root) as opened, opened.writer("test", 0):
        yield opened


@pytest.fixture
def draft() -> ReleaseDraft:
    return ReleaseDraft("r1", "refresh", "0.1", {"vocabulary": 2}, 7, ("i1",))


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Night n = 1, 2, …: user 1 is shown items 10 (liked) and 11; the whole of it passes every audit."""
    return lambda n: changes_of(tmp_path / "staged" / str(n), n)


@pytest.fixture(scope="session")
def two_nights(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with two releases, nights 1 and 2; not to be written."""
    home = tmp_path_factory.mktemp("two")
    shutil.copytree(empty_warehouse, home / "warehouse")
    with Warehouse.open(home / "warehouse") as opened, opened.writer("test", 0):
        for n in (1, 2):
            opened.publish(ReleaseDraft(f"r{n}", "refresh", "0.1", {}, 7, ("i1",)), changes_of(home / str(n), n), audits=[])
    return home / "warehouse"


def changes_of(staged: Path, n: int) -> Changes:
    """See ``night``; its files are written into the folder ``staged``."""
    staged.mkdir(parents=True, exist_ok=True)
    files = {name: [staged / f"{name}.parquet"] for name in ("events", "record_rows", "embeddings")}
    _events(n).write_parquet(files["events"][0])
    _records(n).write_parquet(files["record_rows"][0])
    _embeddings(n).write_parquet(files["embeddings"][0])
    new = {"items": _items(), "codebooks": _codebook(), "sid_history": _sids()} if n == 1 else {}
    return Changes(
        replace_files={"embeddings": files["embeddings"]},
        register={"events": files["events"], "record_rows": files["record_rows"]},
        replace={"splits": rows(contracts.SPLITS, user_id=[1], n_records=[n], n_train=[n - 1], method=["per_user 0.8"])},
        upsert=new,
        append={"ingests": rows(INGESTS, ingest_id=[f"i{n}"], source=["shop"], delivery_id=[f"day {n}"], sequence=[n - 1], n_rows=[2],
                                n_accepted=[2], n_rejected=[0], n_known=[0], n_late=[0], replaces=[[]],
                                n_positives=[1], n_users=[1], n_new_users=[0], n_items=[2], n_new_items=[0], release_id=[n])},
    )  # fmt: skip


def rows(table: Table, **columns: list) -> pl.DataFrame:
    """Rows of a table; columns that are not given are empty."""
    n = len(next(iter(columns.values())))
    return pl.DataFrame({name: columns.get(name, [None] * n) for name in table.schema}, schema=table.schema)


def _events(n: int) -> pl.DataFrame:
    return rows(contracts.EVENTS, user_id=[1, 1], item_id=[10, 11], user_seq=[2 * n - 2, 2 * n - 1], feedback=[1, 0],
                source=["shop"] * 2, ingest_id=[f"i{n}"] * 2)  # fmt: skip


def _records(n: int) -> pl.DataFrame:
    return rows(contracts.RECORD_ROWS, record_id=[f"1-{n - 1}"], user_id=[1], record_index=[n - 1], sequence_id=[n - 1],
                exposed_items=[[10, 11]], feedback=[[1, 0]], history=[[10] * (n - 1)], ingest_id=[f"i{n}"])  # fmt: skip


def _embeddings(n: int) -> pl.DataFrame:
    vectors = [[0.0, float(n)], [1.0, float(n)]]
    return rows(contracts.EMBEDDINGS, embedding_id=["e"] * 2, item_id=[10, 11], vector=vectors, has_signal=[True] * 2)


def _items() -> pl.DataFrame:
    return rows(contracts.ITEMS, item_id=[10, 11], raw_id=["10", "11"], title=["Ten", "Eleven's"], categories=[["a"], []],
                is_active=[True] * 2)  # fmt: skip


def _codebook() -> pl.DataFrame:
    return rows(contracts.CODEBOOKS, codebook_id=["c"] * 2, numbering_id=["c"] * 2, embedding_id=["e"] * 2, level=[1, 1], code=[0, 1],
                centroid=[[0.0, 0.0], [1.0, 0.0]], n_items=[1, 1], ood_error=[1.0, 1.0])  # fmt: skip


def _sids() -> pl.DataFrame:
    return rows(contracts.SID_HISTORY, item_id=[10, 11], codebook_id=["c"] * 2, tokens=[[0], [1]], sid=["0", "1"], sid_key=[0, 1],
                slot=[0, 0], valid_from=[1, 1], assigned_by=["greedy"] * 2, reason=["new"] * 2, recon_error=[0.0] * 2,
                is_ood=[False] * 2)  # fmt: skip

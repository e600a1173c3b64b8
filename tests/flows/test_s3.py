"""A warehouse whose data files are in S3 and whose catalogue is in PostgreSQL: the same nights, also for a machine without the copies."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse import damage_at
from pipeline.warehouse.bucket import OWNER, Bucket
from pipeline.warehouse.storage import Storage, note_storage, storage_of
from pipeline.warehouse.verify import find_damage, inspect
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World
from tests.flows.test_postgres import rows
from tests.support.postgres import free_port, server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """An S3 server on loopback with an empty bucket."""
    pytest.importorskip("moto.moto_server.werkzeug_app", reason="moto[s3] and flask are not installed")
    pytest.importorskip("duckdb_extension_httpfs", reason="the extra s3 is not installed")
    port = free_port()
    program = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-test")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            _make_bucket(port)
            yield
    finally:
        process.terminate()
        process.wait(30)


def _make_bucket(port: int) -> None:
    from pyarrow.fs import S3FileSystem

    client = S3FileSystem(
        access_key="k", secret_key="s", endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True
    )
    give_up_at = time.monotonic() + 60
    while True:
        try:
            client.create_dir("lake")
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def away(moto: None, refreshed: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A release whose files are in S3."""
    with server() as running:
        folder = tmp_path_factory.mktemp("away")
        world = World(folder / "warehouse", folder / "tiny.toml", {})
        where = f'[engine]\ncatalog = "{running.database()}"\ndata = "s3://lake/nights"\n'
        world.config.write_text(refreshed.config.read_text().replace("[engine]\n", where))
        yield World(world.root, world.config, world.refresh())


def test_the_rows_are_those_of_files_here(away: World, refreshed: World) -> None:
    for table in ("events", "records", "items", "sids", "codebooks", "splits"):
        assert rows(away, table) == rows(refreshed, table), table
    stored = Bucket.of(away.root)
    assert stored is not None and set(stored.sizes()) == set((away.root / "data").rglob("*.parquet")) != set()
    assert set(stored.artifact_files()) == {path for path in (away.root / "artifacts").rglob("*") if path.is_file()} != set()


def test_no_key_is_kept(away: World) -> None:
    texts = [path.read_text() for path in away.root.glob("*") if path.is_file()] + away.ask("select config::varchar from runs")[
        :, 0
    ].to_list()
    assert texts and not any("of-the-test" in text for text in texts)


def machine(away: World, home: Path) -> tuple[str, Path]:
    """The option of a folder that holds nothing but where catalogue and data are, and the folder."""
    root = home / "warehouse"
    root.mkdir(parents=True)
    shutil.copy(away.root / "storage.json", root)
    return "--warehouse", root


def test_machines_that_have_only_the_address_go_on(away: World, tmp_path: Path, hsrl) -> None:
    """A retrain, rankings, the next day, a rollback and a collection, each begun in an empty folder: what is needed is fetched."""
    first = machine(away, tmp_path / "1")
    assert hsrl("sql", "select count(*), sum(user_id) from events", *first).code == 0
    assert hsrl("retrain", "--config", away.config, *first).code == 0
    second = machine(away, tmp_path / "2")
    assert hsrl("recommend", 7, *second).code == 0
    (tmp_path / "asked.jsonl").write_text('{"user_id": 7, "history": [], "candidates": [1, 2, 3]}\n')
    out = tmp_path / "ranked.jsonl"
    assert hsrl("rank", tmp_path / "asked.jsonl", "--out", out, "--config", away.config, *second).code == 0
    assert out.read_text()
    third, later = machine(away, tmp_path / "3"), tmp_path / "later.toml"
    later.write_text(away.config.read_text().replace("days = 3", "days = 4"))
    assert hsrl("refresh", "--config", later, *third).code == 0
    assert away.ask("select kind from releases order by release_id")["kind"].to_list() == ["refresh", "retrain", "refresh"]
    assert hsrl("rollback", 2, *machine(away, tmp_path / "4")).code == 0
    assert hsrl("recommend", 7, *second).code == 0
    last = machine(away, tmp_path / "5")
    verified = hsrl("verify", *last)
    assert verified.code == 0, verified.out + verified.err
    stored = Bucket.of(last[1])
    n_before = len(stored.artifact_sizes())
    stray = [last[1] / name for name in ("data/main/events/r000009/00000-stray.parquet", "artifacts/policy/stray/x")]
    for path in stray:
        path.parent.mkdir(parents=True)
        path.write_text("left by a run that died before its commit")
    stored.put(stray)
    assert hsrl("gc", "--keep-days", 0, "--keep-releases", 2, *last).code == 0
    assert not {*stray} & {*stored.sizes(), *stored.artifact_files()} and not stray[0].exists()
    states = [folder for folder in stored.artifact_sizes() if folder.parent.name == "user_state"]
    assert len(states) == 1 and len(stored.artifact_sizes()) < n_before, "the state of release 1 is needed by no kept release"
    assert hsrl("verify", *machine(away, tmp_path / "6")).code == 0


def test_a_swapped_and_a_lost_object_are_found(away: World) -> None:
    stored = Bucket.of(away.root)
    copy = next(path for path in stored.sizes() if path.parts[-3] == "events")
    stored.fetched([copy])
    whole = copy.read_bytes()
    with Warehouse.open(away.root) as warehouse:
        swap(stored, copy, whole[:-1] + b"x")
        assert [(damage.path, damage.fault) for damage in inspect(warehouse).damage] == [
            (copy, "in S3 not the bytes that were written")
        ]
        stored.remove([copy])
        assert [(damage.path, damage.fault) for damage in find_damage(warehouse)] == [(copy, "missing in S3")]
        stored.put([copy])
        assert find_damage(warehouse) == []


def swap(stored: Bucket, copy: Path, content: bytes) -> None:
    with stored.files.open_output_stream(stored.url_of(copy).removeprefix("s3://")) as target:
        target.write(content)


def test_a_swapped_and_a_lost_artifact_are_found_and_nothing_is_built_on_them(away: World, tmp_path: Path, hsrl) -> None:
    _, root = machine(away, tmp_path)
    stored = Bucket.of(root)
    with Warehouse.open(root) as warehouse:
        model = warehouse.artifacts.path("embedding_model", warehouse.query("SELECT embedding_id FROM codebooks")[0, 0])
        file = model / "items.safetensors"
        whole = file.read_bytes()
        swap(stored, file, whole[:-1] + b"x")
        assert [(damage.path, damage.fault) for damage in inspect(warehouse).damage] == [
            (model, "in S3 not the bytes that were written")
        ]
        kept = Path(shutil.move(model, tmp_path / "kept"))
        line = (
            rf"^s3://lake/nights/artifacts/embedding_model/{model.name}/: 2 files in S3 are not the bytes that were written; put"
        )
        with pytest.raises(WarehouseError, match=line):
            warehouse.artifacts.exists("embedding_model", model.name)
        assert not list(model.parent.iterdir()), "no part of it is left here"
        stored.remove([file])
        [damage] = find_damage(warehouse)
        assert (damage.path, damage.fault) == (model, "in S3 not the bytes that were written")
        stored.remove(stored.sizes(model))
        assert [damage.fault for damage in find_damage(warehouse)] == ["missing in S3"]
        assert not warehouse.artifacts.exists("embedding_model", model.name)
        later = tmp_path / "later.toml"
        later.write_text(away.config.read_text().replace("days = 3", "days = 5"))  # more than any test here has taken in
        refused = hsrl("refresh", "--config", later, "--warehouse", root)
        assert refused.code == 2 and f"{model}: missing in S3" in refused.err and refused.err.count("\n") <= 2, refused.err
        shutil.move(kept, model)
        assert warehouse.artifacts.remote is not None
        warehouse.artifacts.remote.upload(model)
        assert find_damage(warehouse) == []


def test_keys_that_are_not_there_are_a_line(away: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WarehouseError, match=r"^data in S3: the environment lacks AWS_SECRET_ACCESS_KEY; set it"):
        Warehouse.open(away.root)


def test_a_bucket_that_is_not_there_is_a_line_before_any_work(away: World, tmp_path: Path) -> None:
    """And nothing keeps the wrong name: neither the folder nor the database."""
    lake = storage_of(away.root)
    world = World(tmp_path / "warehouse", tmp_path / "tiny.toml", {})
    with server() as running, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PGPASSWORD", running.password)
        right = (
            away.config.read_text().replace(str(lake.catalog), running.database()).replace("s3://lake/nights", "s3://lake/others")
        )
        world.config.write_text(right.replace("s3://lake/", "s3://lak/"))
        with pytest.raises(WarehouseError, match=r"^s3://lak/others/: there is no bucket lak; make it, or mend engine.data"):
            world.refresh()
        world.config.write_text(right)
        assert world.refresh()["status"] == "published"


def test_keys_that_may_not_read_are_a_line(away: World) -> None:
    class Closed:
        def open_input_stream(self, key: str) -> None:
            raise OSError(
                f"When reading information for key '{key}': AWS Error ACCESS_DENIED during HeadObject operation: No response body."
            )

        def delete_file(self, key: str) -> None:
            raise OSError("AWS Error ACCESS_DENIED during DeleteObject operation")

    bucket, copy = Bucket(away.root, "s3://lake/nights/", cast(Any, Closed())), away.root / "data/main/events/x.parquet"
    for read in (lambda: bucket.sha256(copy), lambda: bucket.download(copy, away.root / "x")):
        with pytest.raises(WarehouseError, match=r"events/x.parquet: cannot be read .*; let these keys read it, or renew them"):
            read()
    with pytest.raises(WarehouseError, match="cannot be removed .*; let these keys delete there"):
        bucket.remove([copy])


def test_a_server_that_is_gone_is_no_damage_of_files(away: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of what is in S3 need not be here; whatever else fails then is no fault of theirs."""
    name = away.root / "data/main/items/ducklake-1.parquet"
    monkeypatch.setattr(damage_at, "own_files", lambda root: frozenset([name]))

    def gone(root: Path) -> None:
        raise duckdb.IOException("server closed the connection unexpectedly")

    monkeypatch.setattr(damage_at.Lake, "open_copy", gone)
    assert damage_at.damage_at(away.root) == []


def test_a_prefix_is_one_warehouses_alone(away: World, tmp_path: Path) -> None:
    """A second catalogue over it would take the files of the first for orphans, and write others under their names."""
    bucket = Bucket.of(away.root)
    assert bucket is not None
    before, lake = bucket.sizes(), storage_of(away.root)
    world = World(tmp_path / "warehouse", tmp_path / "tiny.toml", {})
    with server() as running, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PGPASSWORD", running.password)
        other = running.database()
        world.config.write_text(away.config.read_text().replace(str(lake.catalog), other))
        with pytest.raises(
            WarehouseError, match=r"belongs to the warehouse whose catalogue is .*; give every warehouse a prefix of its own"
        ):
            world.refresh()
        apart = world.config.read_text().replace("s3://lake/nights", "s3://lake/apart")
        world.config.write_text(apart)
        world.refresh()
        note_storage(world.root, Storage(other, lake.data))  # by hand, or by a mistake
        world.config.write_text(apart.replace("s3://lake/apart", "s3://lake/nights"))
        for command in (
            ["gc", "--keep-days", "0"],
            ["gc", "--dry-run"],
            ["refresh", "--config", world.config],
            ["rollback", "1"],
        ):
            ran = subprocess.run(
                [Path(sys.executable).with_name("hsrl"), *command, "--warehouse", world.root],
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 2 and "prefix of its own" in ran.stderr and "Traceback" not in ran.stderr, command
    assert bucket.sizes() == before
    with Warehouse.open(away.root) as warehouse, warehouse.writer("goes on", 0):
        pass


def test_files_without_an_owner_are_not_built_upon(away: World, tmp_path: Path) -> None:
    """As those of a warehouse that an earlier version made, whose database is gone."""
    bucket = Bucket.of(away.root)
    assert bucket is not None
    bucket.remove([away.root / OWNER])
    world = World(tmp_path / "warehouse", tmp_path / "tiny.toml", {})
    with server() as running, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PGPASSWORD", running.password)
        world.config.write_text(away.config.read_text().replace(str(storage_of(away.root).catalog), running.database()))
        with pytest.raises(WarehouseError, match=r"holds \d+ files of a warehouse, such as s3://lake/nights/main/"):
            world.refresh()
    with Warehouse.open(away.root) as warehouse, warehouse.writer("takes it", 0):
        assert bucket.files.get_file_info("lake/nights/warehouse.json").is_file, "it is claimed"

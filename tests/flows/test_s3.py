"""A warehouse whose data files are in S3 and whose catalogue is in PostgreSQL: the same nights, also for a machine without the copies."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.verify import find_damage
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


def test_no_key_is_kept(away: World) -> None:
    texts = [path.read_text() for path in away.root.glob("*") if path.is_file()] + away.ask("select config::varchar from runs")[
        :, 0
    ].to_list()
    assert texts and not any("of-the-test" in text for text in texts)


def test_a_machine_without_the_copies_goes_on(away: World, hsrl) -> None:
    """A retrain, a rollback, a refresh and a collection where data/ is empty at the start: what Python reads is fetched."""
    shutil.rmtree(away.root / "data" / "main")
    at = ("--warehouse", away.root)
    assert hsrl("sql", "select count(*), sum(user_id) from events", *at).code == 0
    assert hsrl("retrain", "--config", away.config, *at).code == 0
    assert hsrl("rollback", 1, *at).code == 0
    assert hsrl("refresh", "--config", away.config, *at).code == 0
    verified = hsrl("verify", *at)
    assert verified.code == 0, verified.out + verified.err
    stored = Bucket.of(away.root)
    stray = away.root / "data" / "main" / "events" / "r000009" / "00000-stray.parquet"
    shutil.copy(next(iter((away.root / "data").rglob("*.parquet"))), stray.parent.mkdir(parents=True) or stray)
    stored.put([stray])
    assert hsrl("gc", "--keep-days", 0, "--keep-releases", 2, *at).code == 0
    assert stray not in stored.sizes() and not stray.exists()
    assert hsrl("verify", *at).code == 0


def test_a_swapped_and_a_lost_object_are_found(away: World) -> None:
    stored = Bucket.of(away.root)
    copy = next(path for path in stored.sizes() if path.parts[-3] == "events")
    stored.fetched([copy])
    whole = copy.read_bytes()
    with Warehouse.open(away.root) as warehouse:
        with stored.files.open_output_stream(stored._key(copy)) as target:
            target.write(whole[:-1] + b"x")
        from pipeline.warehouse.verify import inspect

        assert [(damage.path, damage.fault) for damage in inspect(warehouse).damage] == [
            (copy, "in S3 not the bytes that were written")
        ]
        stored.files.delete_file(stored._key(copy))
        assert [(damage.path, damage.fault) for damage in find_damage(warehouse)] == [(copy, "missing in S3")]
        stored.put([copy])
        assert find_damage(warehouse) == []


def test_keys_that_are_not_there_are_a_line(away: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WarehouseError, match=r"^data in S3: the environment lacks AWS_SECRET_ACCESS_KEY; set it"):
        Warehouse.open(away.root)

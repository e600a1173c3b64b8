"""A warehouse whose catalogue is in PostgreSQL: the same nights, readers that stay at their commit, and locks that two machines see."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.runtime.settings import load_settings
from pipeline.contracts import ITEMS
from pipeline.errors import ConfigError, QueryError, WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.engine import connect, open_readers
from pipeline.warehouse.postgres import attach_server, held_everywhere, load_client
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.storage import STORAGE, Storage, note_storage, storage_of
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World
from tests.support.postgres import Server, server

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from pipeline.warehouse.warehouse import Warehouse
root = Path(sys.argv[1])
with Warehouse.open(root) as warehouse, warehouse.writer("elsewhere", 0):
    (root / "writer.lock").unlink()  # as on another machine, to which the folder's locks are unknown
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture(scope="module")
def served(running: Server, refreshed: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A release and a policy, made with the catalogue in PostgreSQL; tests go on from here."""
    folder = tmp_path_factory.mktemp("served")
    world = World(folder / "warehouse", folder / "tiny.toml", {})
    config = refreshed.config.read_text()
    assert "[engine]\n" in config
    world.config.write_text(config.replace("[engine]\n", f'[engine]\ncatalog = "{running.database()}"\n'))
    world.refresh()
    return World(world.root, world.config, world.retrain())


def rows(world: World, table: str) -> list[tuple]:
    """All rows, without the columns that differ between any two runs."""
    frame = world.ask(f"from {table} order by all")
    return frame.drop("run_id", "created_at", "ingested_at", "cpu_seconds", strict=False).rows()


def test_the_rows_are_those_of_an_embedded_catalogue(served: World, retrained: World) -> None:
    for table in ("events", "records", "items", "users", "sids", "sid_history", "codebooks", "splits", "policies", "evaluations"):
        assert rows(served, table) == rows(retrained, table), table
    assert not list(served.root.glob("*.sqlite")) and served.ask("select count(*) from runs").item() == 2


def test_no_password_is_kept(served: World, running: Server) -> None:
    kept = [path.read_text() for path in (served.root / STORAGE, served.root / "attach.sql")]
    kept += served.ask("select config::varchar from runs")[:, 0].to_list()
    assert all(running.password not in text and "postgres:host" in text for text in kept)


def test_a_password_in_a_setting_is_refused_and_not_repeated(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("postgres:host=h dbname=d password=hush", "postgres:postgresql://u:hush@h/d?a=b"):
        monkeypatch.setenv("HSRL_ENGINE__CATALOG", wrong)
        with pytest.raises(ConfigError, match="catalog holds a password.*set PGPASSWORD") as refused:
            load_settings(served.config, served.root)
        assert "hush" not in str(refused.value)


def test_commands_answer_verify_roll_back_and_collect(served: World, hsrl, tmp_path: Path) -> None:
    at = ("--warehouse", served.root)
    assert hsrl("status", *at).code == 0 and hsrl("sql", "from sids limit 1", *at).code == 0
    verified = hsrl("verify", *at)
    assert verified.code == 0 and "it is in PostgreSQL" in verified.out + verified.err
    assert hsrl("rollback", 1, *at).code == 0
    before = served.ask("select count(*) from sids").item()
    assert hsrl("refresh", "--config", served.config, *at).code == 0
    collected = hsrl("gc", "--keep-days", 0, "--keep-releases", 2, *at)
    assert collected.code == 0 and "1 no longer open" in collected.out
    assert hsrl("verify", *at).code == 0 and served.ask("select count(*) from sids").item() == before


def test_the_attach_file_opens_it(served: World) -> None:
    text = "\n".join(line for line in (served.root / "attach.sql").read_text().splitlines() if not line.startswith("--"))
    import duckdb

    with duckdb.connect() as client:
        client.execute(text)
        assert client.execute("select count(*) from sids").fetchall() == [(served.ask("select count(*) from sids").item(),)]
        with pytest.raises(duckdb.Error, match="read-only"):
            client.execute("delete from sid_history")


def test_a_question_cannot_reach_the_server(served: World) -> None:
    for sql in (
        "from postgres_query('__ducklake_metadata_lake', 'select 1')",
        "from __ducklake_metadata_lake.hsrl.ducklake_snapshot",
    ):
        with pytest.raises(QueryError):
            run_sql(served.root, sql)


def test_a_reader_stays_at_its_commit(served: World) -> None:
    with open_readers(served.root) as reader, Warehouse.open(served.root) as warehouse:
        n = reader.execute("select count(*) from runs").fetchone()
        with warehouse.transaction("a ledger entry", {}):
            warehouse.connection.execute("insert into runs select * replace ('again' as run_id) from runs limit 1")
        assert reader.execute("select count(*) from runs").fetchone() == n
    assert served.ask("select count(*) from runs").item() == n[0] + 1


def test_two_machines_exclude_each_other_and_a_killed_one_holds_nothing(served: World) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(served.root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        said: list[str] = []
        with Warehouse.open(served.root) as warehouse:
            with (
                pytest.raises(WarehouseError, match=r"^another run \(from 127\.0\.0\.1, connection \d+, since .*\) is writing"),
                warehouse.writer("here", 0.1, said.append),
            ):
                raise AssertionError("two writers")
            assert len(said) == 1 and said[0].startswith("waiting for another run")
            holder.send_signal(signal.SIGKILL)
            with warehouse.writer("here", 10):
                pass
    finally:
        holder.kill()
        holder.wait()


def test_a_lock_outlives_limits_of_the_database_and_without_it_nothing_is_published(served: World, running: Server) -> None:
    """A limit for idle transactions is common; and an operator, or a network, may end any connection."""
    name = (storage_of(served.root).dsn or "").rpartition("dbname=")[2]
    with connect() as operator:
        attach_server(operator, f"{running.dsn} dbname={name}", "server")
        limit = f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '{{}}'"
        execute = "CALL postgres_execute('server', $sql, use_transaction => false)"
        operator.execute(execute, {"sql": limit.format("1s")})
        with Warehouse.open(served.root) as warehouse, warehouse.writer("night", 0):
            time.sleep(2)
            with (
                Warehouse.open(served.root) as other,
                pytest.raises(WarehouseError, match="is writing, so elsewhere waited 0 s"),
                held_everywhere(other.connection, served.root, "writer", "elsewhere", 0),
            ):
                pass
            draft, last = ReleaseDraft("night", "refresh", "0.1", {}, 7, ()), warehouse.next_release_id()
            changes = Changes(upsert={"items": warehouse.read(ITEMS, "FROM items LIMIT 1")})
            ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = 2"
            operator.execute("FROM postgres_query('server', $sql)", {"sql": ends}).fetchall()
            with pytest.raises(WarehouseError, match=r"connection to PostgreSQL that held the writer's lock ended.*run it again"):
                warehouse.publish(draft, changes, audits=[])
            assert warehouse.next_release_id() == last
        operator.execute(execute, {"sql": limit.format("0")})


def test_a_database_holds_a_single_warehouse(served: World, tmp_path: Path) -> None:
    with pytest.raises(
        WarehouseError, match=r"holds the warehouse whose files are in .*; give every warehouse a database of its own"
    ):
        Warehouse.create_or_open(tmp_path / "other", storage=storage_of(served.root))


def test_settings_that_ask_for_another_place_are_refused(served: World) -> None:
    with pytest.raises(
        WarehouseError, match="engine.catalog is 'postgres:dbname=x', but the warehouse was made with 'postgres:host="
    ):
        Warehouse.create_or_open(served.root, storage=Storage("postgres:dbname=x"))


def test_a_killed_creation_is_made_anew_or_taken_up(running: Server, tmp_path: Path) -> None:
    """Killed while it made the schema, and killed before it could note in the folder where that is."""
    root, storage = tmp_path / "w", Storage(running.database())
    with connect() as connection:
        attach_server(connection, storage.dsn or "", "server")
        half = "CREATE SCHEMA hsrl_draft; CREATE TABLE hsrl_draft.ducklake_metadata (key text)"
        connection.execute(f"CALL postgres_execute('server', '{half}')")
    for _ in range(2):
        Warehouse.create_or_open(root, storage=storage).close()
        (root / STORAGE).unlink()
        (root / "attach.sql").unlink()
    Warehouse.create_or_open(root, storage=storage).close()
    assert storage_of(root) == storage


def test_a_server_that_is_gone_or_locks_out_is_a_line(
    served: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hsrl
) -> None:
    note_storage(tmp_path, Storage("postgres:host=127.0.0.1 port=9 dbname=gone connect_timeout=2"))
    embedded = tmp_path / "tiny.toml"  # says nothing of a catalogue: the warehouse knows
    embedded.write_text("".join(line for line in served.config.open() if not line.startswith("catalog")))
    for command in (("status",), ("refresh", "--config", embedded)):
        printed = hsrl(*command, "--warehouse", tmp_path)
        assert printed.code == 2 and printed.err.startswith("hsrl: catalogue postgres:host=127.0.0.1 port=9 dbname=gone")
        assert printed.err.count("\n") == 1 and "start PostgreSQL or mend the connection string" in printed.err
    monkeypatch.setenv("PGPASSWORD", "wrong-secret")
    printed = hsrl("status", "--warehouse", served.root)
    assert printed.code == 2 and "password authentication failed" in printed.err and "wrong-secret" not in printed.err


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a wall that lets connections in and nothing out."""
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as mute, connect() as connection:
        with pytest.raises(WarehouseError, match=r"cannot be opened .*timeout expired"):
            attach_server(connection, f"host=127.0.0.1 port={mute.getsockname()[1]} user=hsrl dbname=d", "server")
        monkeypatch.delenv("PGCONNECT_TIMEOUT")
        load_client(connection)
        assert int(os.environ["PGCONNECT_TIMEOUT"]) > 0


def test_an_older_dump_than_the_folder_is_refused(served: World, tmp_path: Path) -> None:
    with Warehouse.open(served.root) as warehouse:
        last = warehouse.last_snapshot()
    note = served.root / "committed.json"
    kept = shutil.copy(note, tmp_path / "kept")
    note.write_text(f'{{"snapshot": {last + 2}}}')
    with pytest.raises(WarehouseError, match=rf"ends with commit {last}, but {last + 2} were made here; put back a newer dump"):
        Warehouse.open(served.root)
    shutil.copy(kept, note)


def test_nothing_is_asked_where_the_catalogue_is_embedded(refreshed: World) -> None:
    with connect() as connection, held_everywhere(connection, refreshed.root, "writer", "x", 0):
        assert connection.execute(
            "select count(*) from duckdb_databases() where database_name = 'postgres_locks'"
        ).fetchone() == (0,)

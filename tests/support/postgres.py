"""A PostgreSQL server of one's own for a session of tests, on loopback, with a password."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.warehouse.engine import connect
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.postgres import attach_server


@dataclass(frozen=True)
class Server:
    """A server that runs; databases are made on it by ``database``."""

    port: int
    password: str

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=hsrl connect_timeout=5"

    def database(self) -> str:
        """The setting for a catalogue in a new, empty database."""
        name = f"w{secrets.token_hex(4)}"
        with connect() as connection:
            attach_server(connection, f"{self.dsn} dbname=postgres", "server")
            connection.execute(f"CALL postgres_execute('server', {quoted(f'CREATE DATABASE {name}')}, use_transaction => false)")
        return f"postgres:{self.dsn} dbname={name}"


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _binary(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextmanager
def server() -> Iterator[Server]:
    """Start it; skip where PostgreSQL or its extension is not installed."""
    pytest.importorskip("duckdb_extension_postgres_scanner", reason="the extra postgres is not installed")
    initdb, postgres, runuser = _binary("initdb"), _binary("postgres"), shutil.which("runuser")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    as_user = [] if os.geteuid() else [str(runuser), "-u", "postgres", "--"]  # it refuses to run as root
    if as_user and (runuser is None or "postgres" not in {user.pw_name for user in pwd.getpwall()}):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    password, folder = secrets.token_hex(8), Path(tempfile.mkdtemp(prefix="hsrl-postgres-"))
    (folder / "password").write_text(password)
    if as_user:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    port = free_port()
    init = [initdb, "-D", str(folder / "data"), "-U", "hsrl", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-N"]
    subprocess.run([*as_user, *init], check=True, capture_output=True, cwd=folder)
    options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
    started = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*as_user, postgres, "-D", str(folder / "data"), *started], stdout=log, stderr=log, cwd=folder)
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("PGPASSWORD", password)
            _wait(port)
            yield Server(port, password)
    finally:
        process.terminate()  # runuser hands it on
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int) -> None:
    give_up_at = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            with connect() as connection:
                attach_server(connection, f"host=127.0.0.1 port={port} user=hsrl dbname=postgres", "server")
            return
        except Exception:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)

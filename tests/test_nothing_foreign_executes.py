"""Text and files from outside: no input that takes text executes anything or leads out of its folder."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flows.queries.sql_export import dictionary
from flows.queries.trace_page import page
from flows.runtime.settings import load_settings
from flows.stores.policies import load_tensors
from pipeline.errors import ConfigError, QueryError, SourceError, TrainingError, WarehouseError
from pipeline.ingest.files import Archive
from pipeline.ingest.movielens import MovieLensSource
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.artifacts import inside
from pipeline.warehouse.trace import trace
from pipeline.warehouse.verify import find_damage
from pipeline.warehouse.warehouse import Warehouse

EVIL = "x'); DROP TABLE items; ATTACH 'evil.db'; --"
HTML = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with one item of a nasty title; not to be written."""
    root = tmp_path_factory.mktemp("made") / "w"
    with Warehouse.create_or_open(root) as warehouse, warehouse.transaction("an item", {}):
        warehouse.connection.execute("INSERT INTO items VALUES (1, ?, ?, [?], NULL, NULL, NULL, true)", [EVIL, HTML, EVIL])
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "w"))


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save], ids=["pickle", "torch"])
def test_a_pickle_bomb_as_checkpoint_is_refused_and_does_not_go_off(
    tmp_path: Path, write: Callable[[Bomb, Path], object]
) -> None:
    bomb, path = tmp_path / "went-off", tmp_path / "checkpoint.safetensors"
    write(Bomb(bomb), path)
    with pytest.raises(TrainingError, match="train again with: hsrl retrain"):
        load_tensors(path)
    assert not bomb.exists()
    pickle.loads(path.read_bytes()) if path.read_bytes()[:1] == b"\x80" else None  # noqa: S301 the bomb itself is no dud
    assert bomb.exists() or zipfile.is_zipfile(path)


def test_members_of_a_zip_are_read_by_name_and_never_unpacked(tmp_path: Path) -> None:
    """``../../escaped`` is a member like any other; nothing but the zip is on the disk afterwards."""
    path = tmp_path / "in" / "ml.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../escaped/ratings.dat", "/etc/movies.dat", "ml-1m/users.dat"):
            archive.writestr(name, "1::1::5::978300760\n")
    assert set(Archive(path).members) == {"ratings.dat", "movies.dat", "users.dat"}
    source = MovieLensSource(kind="movielens", path=path).open()
    with pytest.raises(SourceError):
        for _ in source.read(source.deliveries()[0]):
            pass
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")] == ["in", "in/ml.zip"]


@pytest.mark.parametrize("toml", [
    '[source]\nkind = "generated"\npath = "x"\n[sids]\nvocabulary = "__import__(\'os\').mkdir(\'evil\')"',
    '[source]\nkind = "os.system"\npath = "x"',
    '[source]\nkind = "generated"\npath = "x"\n[engine]\nmemory_limit_mb = "1MB\'; DROP TABLE items; --"',
    '[source]\nkind = "generated"\npath = "x"\n[engine]\ndata_path = "/etc"',
])  # fmt: skip
def test_text_in_a_configuration_stays_text(tmp_path: Path, toml: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(toml)
    with pytest.raises(ConfigError):
        load_settings(config, tmp_path / "w")
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


def test_a_folder_may_have_a_name_made_of_sql(tmp_path: Path) -> None:
    root = tmp_path / "w'; DROP TABLE items; --"
    with Warehouse.create_or_open(root) as warehouse:
        assert warehouse.query("FROM items").is_empty()
    assert run_sql(root, "FROM items").is_empty()


@pytest.mark.parametrize(
    "text", [EVIL, "item:" + EVIL, "sid:" + EVIL, "release:1' OR '1'='1", "../../etc/passwd", "1; DROP TABLE items"]
)
def test_what_is_traced_is_bound_not_pasted(root: Path, text: str) -> None:
    if text in (EVIL, "item:" + EVIL):
        assert trace(root, text).subject == f"item:{EVIL}"  # it is the raw id of an item
    else:
        with pytest.raises(QueryError, match="there is nothing called"):
            trace(root, text)
    assert run_sql(root, "FROM items").height == 1


def test_a_page_escapes_whatever_the_log_says(root: Path) -> None:
    drawn = page(trace(root, "item:1"))
    assert "<script" not in drawn and "alert(1)" in drawn and EVIL not in drawn
    assert "default-src 'none'" in drawn


def test_the_dictionary_pastes_no_name(root: Path) -> None:
    with pytest.raises(ConfigError, match="no table, view or macro"):
        dictionary(root, 'items"; DROP TABLE items; --')


def test_a_stored_path_cannot_lead_out_of_the_warehouse(root: Path, tmp_path: Path) -> None:
    """A catalogue that someone tampered with; also through a link."""
    (root / "out").symlink_to(tmp_path)
    for path in ("artifacts/../../x", "/etc/passwd", "out/x"):
        with pytest.raises(WarehouseError, match="leads out of"):
            inside(root, path)
    with Warehouse.open(root) as warehouse:
        warehouse.connection.execute(
            "INSERT INTO artifacts VALUES ('a', 'policy', 'artifacts/../../x', NULL, 1, '', [], 'r', 1, now())"
        )
        with pytest.raises(WarehouseError, match="leads out of"):
            find_damage(warehouse)


def test_an_error_names_a_variable_and_keeps_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSRL_ENGINE__PASSWORD", "hush-hush")
    config = tmp_path / "c.toml"
    config.write_text('[source]\nkind = "generated"\npath = "x"\n')
    with pytest.raises(ConfigError, match="unknown variable HSRL_ENGINE__PASSWORD") as told:
        load_settings(config, tmp_path)
    assert "hush" not in str(told.value)


@pytest.mark.slow
def test_secrets_of_the_environment_appear_in_no_file_and_no_log(tmp_path: Path) -> None:
    """A refresh with secrets in its environment, one that succeeds and one that fails: their text is nowhere."""
    config = tmp_path / "c.toml"
    toml = '[source]\nkind = "generated"\npath = "RAW"\ndays = 1\nusers = 30\nitems = 60\n[sids]\nlevels = 2\nvocabulary = 4\n[embeddings]\nwidth = 4\n'
    config.write_text(toml.replace("RAW", str(tmp_path / "raw")))
    secrets = dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "PREFECT_API_KEY"), "hush-hush")
    command = [
        sys.executable,
        "-c",
        "from flows.cli.app import main; main()",
        "refresh",
        "--config",
        str(config),
        "--warehouse",
        str(tmp_path / "w"),
    ]
    told = ""
    for more in ([], ["--from", "2030-01-01", "--to", "2020-01-01"]):
        done = subprocess.run(
            [*command, *more],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **secrets, "PYTHONPATH": str(Path.cwd())},
        )
        told += done.stdout + done.stderr
    assert run_sql(tmp_path / "w", "FROM releases").height == 1
    assert "hush-hush" not in told
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"hush-hush" not in path.read_bytes(), path


def test_the_sources_evaluate_and_unpickle_nothing() -> None:
    """What executes text or bytes is not even written down; one shell-free subprocess each for git and for the copy."""
    banned = re.compile(
        r"\beval\(|\bexec\(|\bpickle\b|\bshelve\b|\bmarshal\b|torch\.load\(|shell=True|os\.system|allow_pickle=True|yaml\.load\("
    )
    # Workers of a cluster unpickle what hsrl itself has just handed to them, in a folder that only hsrl writes.
    handing = Path("flows/runtime/cluster.py")
    found = []
    for package in ("pipeline", "hsrl_train", "flows"):
        for path in sorted({*Path(package).rglob("*.py")} - {handing}):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.split("#")[0].replace(".list.eval(pl.", "")  # an expression of Polars, no text
                if banned.search(code) and "model.eval()" not in code and ".eval()" not in code:
                    found.append(f"{path}:{number}: {line.strip()}")
    assert found == []

"""The core asks SQL and reads Semantic IDs; a command that lacks an extra says which in one line."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flows.runtime.extras import EXTRA_OF, missing_extra
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World

ROOT = Path(__file__).parents[3]
# What an import of these names raises where they are not installed.
BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from flows.cli.app import main
main()
"""


def without(names: set[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `hsrl` where these modules are not installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HSRL_WAREHOUSE": str(folder / "w"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(names=names), *words],
        capture_output=True, text=True, check=False, env=environment, cwd=folder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("module", "words", "line"),
    [
        ("torch", ("retrain",), "hsrl: hsrl retrain needs the extra train; install it with: pip install -e '.[train]'"),
        ("faiss", ("refresh",), "hsrl: hsrl refresh needs the extra train; install it with: pip install -e '.[train]'"),
        ("PIL", ("draw",), "hsrl: hsrl draw needs the extra plots; install it with: pip install -e '.[plots]'"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(module: str, words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    ran = without({module}, tmp_path, *words)
    assert (ran.returncode, ran.stderr.strip(), ran.stdout) == (2, line, "")


def test_another_missing_module_keeps_its_traceback() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'flows.gone'", name="flows.gone"), "hsrl status") is None


def test_the_core_alone_asks_and_reads(refreshed: World, tmp_path: Path) -> None:
    """SQL, status, traces, hashes, clean-up and Semantic IDs of vectors, with no extra installed."""
    (tmp_path / "w").symlink_to(refreshed.root)
    vectors = "select item_id, embedding_id, vector from embeddings where embedding_id in (select embedding_id from codebooks)"
    for words in (
        ("--help",), ("sql", "from sids limit 1"), ("status",), ("trace", "release:1"), ("verify",), ("gc", "--dry-run"),
        ("sql", "--out", "v.parquet", vectors), ("encode", "v.parquet", "--out", "e.parquet"),
    ):  # fmt: skip
        ran = without(set(EXTRA_OF), tmp_path, *words)
        assert ran.returncode == 0, f"{words}: {ran.stderr}"


def test_every_extra_that_a_line_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRA_OF.values()) <= set(extras)


def test_the_api_imports_no_extra() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sys, hsrl; print([*sys.modules])"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(EXTRA_OF) & set(ast.literal_eval(found.stdout))


def test_a_warehouse_that_is_not_there_is_still_named(tmp_path: Path) -> None:
    """The line of the extra comes only where it is needed: asking needs none."""
    Warehouse.create_or_open(tmp_path / "w").close()
    assert without(set(EXTRA_OF), tmp_path, "sql", "select 1").returncode == 0

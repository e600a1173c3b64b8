"""What a command loads before it answers: libraries take longer to import than most questions to answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.warehouse.warehouse import Warehouse

HEAVY = {"polars", "pyarrow", "pydantic_settings", "torch", "sklearn", "scipy", "faiss", "prefect", "flows.runtime.settings"}
SOURCE = """
import json, sys
sys.modules["pandas"] = None  # where it is installed, DuckDB loads it as soon as a value is bound; no command of ours asks for it
from flows.cli.app import main
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "more"),
    [(("--help",), {"duckdb"}), (("sql", "--help"), {"duckdb"}), (("sql", "select 1"), set()), (("status",), set())],
)
def test_a_command_loads_what_it_needs(tmp_path: Path, words: tuple[str, ...], more: set[str]) -> None:
    root = tmp_path / "w"
    Warehouse.create_or_open(root).close()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HSRL_WAREHOUSE": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", SOURCE, *words], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert not (HEAVY | more) & set(json.loads(done.stderr.splitlines()[-1]))


def test_deployments_bring_no_torch_until_one_learns() -> None:
    """A refresh, gc or verify by Prefect's worker imports the module of all four deployments."""
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys, flows.deployments; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert not {"torch", "matplotlib"} & set(json.loads(done.stdout))

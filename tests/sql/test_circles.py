"""The audit lineage_circles: nothing that a release brings was made, however indirectly, from itself."""

import time

import duckdb
import polars as pl
import pytest

from pipeline.warehouse.statements import SQL_ROOT

QUERY = (SQL_ROOT / "audits" / "lineage_circles.sql").read_text().rstrip().rstrip(";")
ARTIFACT = (
    "INSERT INTO artifacts SELECT name, 'policy', 'artifacts/policy/' || name, NULL, 1, 'x', made_from, 'r2', ?, '2026-01-02 02:00:00+00' "
    "FROM arriving"
)


def circle(world: duckdb.DuckDBPyConnection) -> list[str]:
    """Ids in a circle that release 2 closes."""
    return sorted(row[0] for row in world.execute(f"SELECT id FROM ({QUERY})").fetchall())


def add(world: duckdb.DuckDBPyConnection, release: int, **inputs: list[str]) -> None:
    arriving = pl.DataFrame({"name": list(inputs), "made_from": list(inputs.values())})
    world.register("arriving", arriving)
    world.execute(ARTIFACT, [release])
    world.unregister("arriving")


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("UPDATE artifacts SET inputs = ['a2'] WHERE artifact_id = 'a1'", ["a1", "a2"]),
        ("UPDATE artifacts SET inputs = ['i1', 'a1'] WHERE artifact_id = 'a1'", ["a1"]),
        ("UPDATE artifacts SET inputs = ['release:2'] WHERE artifact_id = 'a1'", ["a1", "a2", "release:2"]),
        ("UPDATE releases SET inputs = ['release:2'] WHERE release_id = 2", ["release:2"]),
        # A codebook of an embedding model that was made from a simulator that learned on it.
        ("UPDATE codebooks SET embedding_id = 'a2'; UPDATE artifacts SET inputs = ['c'] WHERE artifact_id = 'a1'", ["a1", "a2", "c"]),
        ("UPDATE releases SET parent_id = 2 WHERE release_id = 1", ["release:1", "release:2"]),
    ],
)  # fmt: skip
def test_a_circle_is_found_and_what_merely_depends_on_it_is_not_named(
    world: duckdb.DuckDBPyConnection, fault: str, found: list[str]
) -> None:
    assert circle(world) == []
    world.execute(fault)
    assert circle(world) == found


def test_a_new_artifact_that_an_old_one_names_closes_a_circle(world: duckdb.DuckDBPyConnection) -> None:
    """As it was: the embedding model of release 1 named a simulator that release 2 entered as made from release 1."""
    add(world, 1, model=["simulator"])
    assert circle(world) == []
    add(world, 2, simulator=["release:1"])
    assert circle(world) == ["model", "release:1", "simulator"]


def test_a_circle_of_an_earlier_release_does_not_block_tonight(world: duckdb.DuckDBPyConnection) -> None:
    add(world, 1, egg=["hen"], hen=["egg"])
    assert circle(world) == []


def test_diamonds_upon_diamonds_and_long_chains_cost_what_they_hold(world: duckdb.DuckDBPyConnection) -> None:
    """120 layers of two that name both of the layer below: 2^120 ways. Beside them 4,000 files of one night, and 3,000 of older ones."""
    ladder = {f"{side}{n}": [f"left{n - 1}", f"right{n - 1}"] if n else ["i1"] for n in range(120) for side in ("left", "right")}
    add(world, 2, **ladder, **{f"file{n}": ["i2", "left119"] for n in range(4_000)})
    add(world, 1, **{f"old{n}": [f"old{n - 1}"] for n in range(3_000)})
    began = time.process_time()
    assert circle(world) == []
    world.execute("UPDATE artifacts SET inputs = ['right119', 'i1'] WHERE artifact_id = 'left0'")
    assert len(circle(world)) == 2 * 120 - 2  # all but right0, which names only an ingest, and left119, which left0 does not name
    assert time.process_time() - began < 20

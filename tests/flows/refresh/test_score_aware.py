"""Codes of the space of scores, through refresh, retrain and rollback."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors import safe_open

from flows.maintenance.rollback import rollback
from flows.queries.trace_page import page
from flows.refresh.request import RefreshRequest
from flows.runtime.run import Run
from pipeline.warehouse.trace import trace

pytestmark = pytest.mark.slow
# Two simulators in two processes, which read a world that has no Semantic IDs yet.
CHANGES = (
    ("[embeddings]\nwidth = 4", "[embeddings]\nwidth = 4\nscore_aware = true"),
    ("[simulator]", "[simulator]\nn_training = 2"),
    ("n_processes = 1", "n_processes = 2"),
)


@pytest.fixture(scope="module")
def scored(refreshed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, dict[str, Any]]:
    """Release 1 of plain codes, release 2 rebuilt in the space of scores, release 3 a policy."""
    world = refreshed.copy(tmp_path_factory.mktemp("scored"))
    settings = world.changed(*CHANGES)
    world.refresh(settings, RefreshRequest(rebuild=True))
    fitted = sorted((world.root / "artifacts" / "simulator").iterdir())
    return world, settings, {"fitted": fitted, "retrain": world.retrain(settings)}


def _taste_width(folder: Path) -> int:
    """Numbers of a stored latent simulator's item factors, which its scores are linear in."""
    (weights,) = folder.glob("*.safetensors")
    with safe_open(weights, "pt") as tensors:
        return int(tensors.get_slice("from_features").get_shape()[1])


def test_both_spaces_are_kept_and_codes_are_of_the_second(scored: Any) -> None:
    world, _, told = scored
    widths = world.ask(
        "select embedding_id, len(vector) as width, count(*) as n from embeddings group by all order by width"
    ).rows()
    of_codes = sum(_taste_width(folder) for folder in told["fitted"])
    assert [row[1] for row in widths] == [4, of_codes] and widths[0][2] == widths[1][2]
    current = "select distinct embedding_id, len(centroid) from codebooks where codebook_id in (select codebook_id from sids)"
    assert world.ask(current).rows() == [(widths[1][0], of_codes)]


def test_the_retrain_finds_the_simulators_that_the_codes_were_made_with(scored: Any) -> None:
    """It learns in those fitted by the refresh; only judges are fitted anew."""
    world, _, told = scored
    assert told["retrain"]["status"] == "published"
    training = world.ask("select simulator_id from simulators where fit_on = 'train'")["simulator_id"].to_list()
    assert sorted(training) == [folder.name for folder in told["fitted"]] and len(training) == 2


def test_nothing_was_made_from_itself_and_only_releases_from_releases(scored: Any) -> None:
    """The model of the codes was made from simulators, those from records and, but for these very ones, from a model.

    A family that only answers otherwise has the tensors of another: it was made from that one.
    """
    world, _, told = scored
    assert world.ask("from lineage where input_kind = 'release' and kind <> 'release'").is_empty()
    made_from = world.ask("select id, input_kind from lineage where kind = 'simulator'").rows()
    assert {kind for _, kind in made_from} == {"records", "embedding_model", "simulator"}
    borrowing = world.ask("select simulator_id from simulators where simulator_id <> artifact_id")["simulator_id"].to_list()
    assert borrowing and {one for one, kind in made_from if kind == "simulator"} == set(borrowing)
    assert {one for one, kind in made_from if kind == "records"} == set(
        world.ask("select artifact_id from simulators")["artifact_id"]
    )
    for subject in ("item:1", "release:3", told["retrain"]["policy_id"], told["fitted"][0].name, borrowing[0]):
        found = trace(world.root, subject)
        assert "<svg" in page(found) and {node.kind for node in found.nodes.values()} >= {"raw file", "ingest", "simulator"}


def test_simulators_that_codes_were_made_with_are_known_before_a_policy_is_learned(scored: Any) -> None:
    world, _, told = scored
    teachers = world.ask("select artifact_id, release_id from artifacts where kind = 'simulator' and release_id = 2").rows()
    assert sorted(name for name, _ in teachers) == [folder.name for folder in told["fitted"]]


def test_a_night_after_appends_in_the_same_space(scored: Any, tmp_path: Path) -> None:
    world, settings, _ = scored
    copy = world.copy(tmp_path)
    before = copy.ask("select item_id, sid from sids")
    report = copy.refresh(settings.model_copy(update={"source": settings.source.model_copy(update={"days": 4})}))
    assert report["tokenizer"]["mode"] in ("append", "refresh")
    assert copy.ask("select item_id, sid from sids").join(before, on=["item_id", "sid"]).height >= 0.9 * before.height


def test_a_rollback_finds_the_space_of_before(scored: Any, tmp_path: Path) -> None:
    """A policy can be learned again on the plain codes of release 1."""
    copy = scored[0].copy(tmp_path)
    rollback(copy.root, 1, Run("rollback"))
    assert copy.ask("select distinct len(vector) from embeddings").rows() == [(4,)]
    assert copy.retrain()["learned_from_release"] == 4


def test_vectors_of_the_other_space_are_refused_by_encode(scored: Any, tmp_path: Path, hsrl: Any) -> None:
    """What simulators see is no place for codes of scores, however long; vectors that say nothing of their space neither."""
    world = scored[0]
    rows = world.ask("select embedding_id, item_id, vector from embeddings order by embedding_id, item_id")
    code_space = world.ask(
        "select distinct embedding_id from codebooks where codebook_id in (select codebook_id from sids)"
    ).item()
    asked = ("encode", tmp_path / "v.parquet", "--warehouse", world.root, "--out", tmp_path / "s.parquet")
    for frame, message in (
        (rows.filter(pl.col("embedding_id") != code_space), code_space),
        (rows.filter(pl.col("embedding_id") == code_space).drop("embedding_id"), "does not say in which space"),
        (rows.filter(pl.col("embedding_id") != code_space).drop("embedding_id"), "does not say in which space"),
    ):
        frame.write_parquet(tmp_path / "v.parquet")
        told = hsrl(*asked)
        assert told.code == 2 and message in told.err and told.err.count("\n") == 1, told.err
    told = hsrl(*asked, "--space", "external")
    assert told.code == 2 and "do not reach the codes' space" in told.err
    rows.filter(pl.col("embedding_id") == code_space).write_parquet(tmp_path / "v.parquet")
    told = hsrl(*asked, "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["catalogue"]["same"] >= world.ask("select count(*) from sids").item() - 1

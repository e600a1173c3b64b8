"""Vectors that people bring, through `hsrl refresh` and `hsrl encode`: nothing of them is lost, guessed or passed over silently."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import log_toml

CONFIG = log_toml(codes=(3, 8), embeddings='parts = ["external"]\nexternal_path = "v.parquet"')
FEW_CODES = CONFIG.replace("vocabulary = 8", "vocabulary = 4")


@dataclass(frozen=True)
class World:
    """A folder with a log, a configuration, a file of vectors, and the warehouse w; and the command that runs in it."""

    folder: Path
    hsrl: Callable[..., Any]

    def run(self, *words: object) -> Any:
        return self.hsrl(*words, "--warehouse", self.folder / "w")

    def refresh(self, *words: object) -> Any:
        return self.run("refresh", "--config", self.folder / "c.toml", *words)

    def plan(self) -> Any:
        return json.loads(self.refresh("--dry-run", "--json").out)

    def encode(self, file: Path, *words: object) -> Any:
        return self.run("encode", file, "--out", self.folder / "s.parquet", *words)

    def encoded(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "s.parquet")

    def sids(self) -> pl.DataFrame:
        return run_sql(self.folder / "w", "SELECT item_id, sid FROM sids ORDER BY item_id")

    def bring(self, vectors: np.ndarray, ids: Any = None) -> Path:
        file = self.folder / "v.parquet"
        columns = {"item_id": range(1, len(vectors) + 1) if ids is None else ids, "vector": vectors.tolist()}
        pl.DataFrame(columns, schema={"item_id": pl.Int64, "vector": pl.List(pl.Float64)}).write_parquet(file)
        return file

    def configure(self, more: str, config: str = CONFIG) -> None:
        """``more`` keys of the section embeddings, which stands last."""
        (self.folder / "c.toml").write_text(config + more)


def clouds(n: int = 300, width: int = 16, seed: int = 0) -> np.ndarray:
    """n vectors around twelve centres, noise .5."""
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(12, width))[np.arange(n) % 12] + 0.5 * draw.normal(size=(n, width))).astype(np.float32)


def log(prefix: str = "") -> str:
    """Sixty users who see forty of 300 items each."""
    rows = [
        f"{user},{prefix}{(37 * user + 11 * n) % 300 + 1},{1000 * user + n},{int((user + n) % 3 == 0)}\n"
        for user in range(60)
        for n in range(40)
    ]
    return "user,item,at,clicked\n" + "".join(rows)


@pytest.fixture
def empty(tmp_path: Path, hsrl: Callable[..., Any]) -> World:
    """No refresh yet."""
    world = World(tmp_path, hsrl)
    (tmp_path / "log.csv").write_text(log())
    world.configure("")
    world.bring(clouds())
    return world


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"folder": tmp_path_factory.mktemp("first") / "world"}


@pytest.fixture
def world(empty: World, first_night: dict[str, Path]) -> World:
    """One refresh, made once and copied."""
    made = first_night["folder"]
    if not made.exists():
        outcome = empty.refresh()
        assert outcome.code == 0, outcome.err
        shutil.copytree(empty.folder, made)
    shutil.copytree(made, empty.folder, dirs_exist_ok=True)
    return empty


def refused(outcome: Any, *words: str) -> str:
    """The one line of a refusal."""
    assert outcome.code == 2, (outcome.out, outcome.err)
    lines = [line for line in outcome.err.splitlines() if line.startswith("hsrl: ")]
    assert outcome.err.splitlines()[-1:] == lines and len(lines[0]) < 600, outcome.err
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]


def test_the_file_of_the_catalogue_gets_the_sids_of_the_catalogue(world: World) -> None:
    """External vectors have any length; codes live on vectors of length 1. Shuffled, doubled in length, as .npy: the same."""
    outcome = world.encode(world.folder / "v.parquet", "--json")
    assert outcome.code == 0, outcome.err
    assert world.encoded()["sid"].to_list() == world.sids()["sid"].to_list()
    assert json.loads(outcome.out)["catalogue"]["same"] == 300
    order = np.random.default_rng(1).permutation(300)
    np.save(world.folder / "v.npy", 2 * clouds()[order])
    assert world.encode(world.folder / "v.npy").code == 0
    assert world.encoded()["sid"].to_list() == world.sids()["sid"].gather(order).to_list()


def test_a_difference_from_the_catalogue_is_told_with_its_reason(world: World) -> None:
    """Items 1 and 2 swap their vectors in the file only: both differ, and neither is near enough to be kept."""
    vectors = clouds()
    vectors[[0, 1]] = vectors[[1, 0]]
    report = json.loads(world.encode(world.bring(vectors, [*range(1, 300), 9999]), "--json").out)
    assert report["catalogue"] == {"same": 297, "changed": 2, "unknown": 1}
    rows = world.encoded()
    assert rows["item_id"].to_list() == [*range(1, 300), None]
    assert rows.filter(pl.col("difference") == "changed")["item_id"].to_list() == [1, 2]


@pytest.mark.parametrize(("dtype", "order"), [("<f4", "C"), (">f8", "F")])
def test_a_npy_file_is_as_many_vectors_as_it_has_rows(world: World, dtype: str, order: Any) -> None:
    np.save(world.folder / "v.npy", np.asarray(clouds(), dtype=dtype, order=order))
    outcome = world.encode(world.folder / "v.npy", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["vectors"] == world.encoded().height == 300
    assert world.encoded()["sid"].to_list() == world.sids()["sid"].to_list()


def test_vectors_of_another_width_or_space_are_refused(world: World) -> None:
    np.save(world.folder / "v.npy", clouds(width=8))
    refused(world.encode(world.folder / "v.npy"), "8 long, not 16", "external")
    np.save(world.folder / "other.npy", np.random.default_rng(5).normal(size=(300, 16)))
    refused(world.encode(world.folder / "other.npy"), "unlike", "--space external")
    assert world.encode(world.folder / "other.npy", "--space", "external").code == 0
    clouded = pl.DataFrame({"embedding_id": ["elsewhere"] * 300, "vector": list(clouds())})
    clouded.write_parquet(world.folder / "foreign.parquet")
    refused(world.encode(world.folder / "foreign.parquet"), "elsewhere", "external")
    assert not (world.folder / "s.parquet.unfinished").exists()


def test_rows_of_the_embeddings_table_are_taken_as_what_they_say_they_are(world: World) -> None:
    embeddings = run_sql(world.folder / "w", "SELECT item_id, embedding_id, vector FROM embeddings ORDER BY item_id")
    embeddings.write_parquet(world.folder / "e.parquet")
    assert world.encode(world.folder / "e.parquet").code == 0
    assert world.encoded()["sid"].to_list() == world.sids()["sid"].to_list()


def test_a_space_that_a_vector_alone_does_not_reach_is_refused(empty: World) -> None:
    """Half of the vector comes from who liked what: a brought vector lacks it."""
    empty.configure("width = 4\n", CONFIG.replace('parts = ["external"]', 'parts = ["cooccurrence", "external"]'))
    assert empty.refresh().code == 0
    refused(empty.encode(empty.folder / "v.parquet"), "16 long, not 20", "cooccurrence and external", "embedding_id")


def test_items_without_a_vector_are_counted_and_refused_above_a_share(empty: World) -> None:
    """60 of 300 items: 240 would silently share their fallbacks' few Semantic IDs."""
    empty.bring(clouds(90), [*range(1, 61), *range(1001, 1031)])
    refused(empty.refresh(), "240 of 300", "30 of its 90 ids", "1001", "external_max_missing")
    assert not (empty.folder / "w" / "readers.sqlite").exists() or run_sql(empty.folder / "w", "FROM releases").is_empty()
    empty.configure("external_max_missing = 0.9\n", FEW_CODES)
    outcome = empty.refresh("--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)["external"]
    assert (report["items"], report["without"], report["unknown"]) == (300, 240, 30)
    assert "240" in outcome.err


def test_only_the_vectors_changed(world: World) -> None:
    """Seen by the plan and by the refresh, once; a file that was only written again is nothing new."""
    assert world.plan()["tokenizer"] == "nothing to do"
    world.bring(clouds())
    assert world.refresh().err.count("nothing new") == 1
    vectors = clouds()
    vectors[299] = vectors[0]
    world.bring(vectors)
    plan = world.plan()
    assert plan["external"]["is_new"] and plan["tokenizer"] in ("append", "refresh")
    assert "v.parquet" in world.refresh("--dry-run").out
    assert json.loads(world.refresh("--json").out)["status"] == "published"
    assert world.plan()["tokenizer"] == "nothing to do"
    assert world.refresh().err.count("nothing new") == 1
    sids = dict(world.sids().rows())
    assert sids[300] == sids[1]
    assert run_sql(world.folder / "w", "FROM lineage WHERE id = 'release:2' AND input_kind = 'raw file'").height == 1


def test_who_a_rollback_left_behind_gets_a_semantic_id_in_the_next_refresh_without_any_new_file(world: World) -> None:
    """Items 301–330 come in release 2, vectors and all; a rollback to release 1 leaves them until the next refresh, as it says."""
    (world.folder / "more.csv").write_text(
        "user,item,at,clicked\n" + "".join(f"{u},{301 + u % 30},{90000 + u},1\n" for u in range(60))
    )
    world.configure("", CONFIG.replace("log.csv", "*.csv"))
    world.bring(clouds(330))
    assert world.refresh("--accept", "delivery_drift").code == 0
    before = world.sids()
    assert before.height == 330
    assert "until the next refresh" in world.run("rollback", 1).out
    assert world.sids().height == 300
    assert world.plan()["tokenizer"] == "append"
    assert json.loads(world.refresh("--json").out)["status"] == "published"
    assert world.sids().equals(before)
    assert world.refresh().err.count("nothing new") == 1


def test_a_new_width_is_planned_and_refused_until_a_rebuild(world: World) -> None:
    world.bring(clouds(width=8))
    plan = world.plan()
    assert plan["tokenizer"] == "rebuild" and "8 long" in plan["forecast"]["why"][0]
    refused(world.refresh(), "8 long", "16", "--rebuild")
    assert world.refresh("--rebuild").code == 0
    assert world.encode(world.folder / "v.parquet").code == 0
    assert world.encoded()["sid"].to_list() == world.sids()["sid"].to_list()


def test_a_file_of_vectors_that_is_gone_is_one_line(world: World) -> None:
    (world.folder / "v.parquet").unlink()
    for outcome in (world.refresh(), world.refresh("--dry-run")):
        refused(outcome, "v.parquet", "is no file", "external_path")


def test_vectors_are_found_by_the_ids_of_the_log(empty: World) -> None:
    """The log knows items as sku-7; so does the file."""
    (empty.folder / "log.csv").write_text(log("sku-"))
    empty.configure("", FEW_CODES)
    ids = [f"sku-{item}" for item in range(1, 301)]
    pl.DataFrame({"item_id": ids, "vector": list(clouds())}).write_parquet(empty.folder / "v.parquet")
    outcome = empty.refresh("--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["external"]["without"] == 0
    pl.DataFrame({"raw_id": ids, "vector": list(clouds())}).write_parquet(empty.folder / "raw.parquet")
    report = json.loads(empty.encode(empty.folder / "raw.parquet", "--json").out)
    assert report["catalogue"]["same"] == 300
    assert empty.encoded()["id"].to_list() == ids


def test_ids_may_stand_in_a_file_of_their_own(empty: World) -> None:
    np.save(empty.folder / "v.npy", clouds())
    npy = CONFIG.replace("v.parquet", "v.npy")
    empty.configure("", npy)
    refused(empty.refresh(), "v.npy", "no ids", "external_ids_path")
    empty.configure('external_ids_path = "ids.txt"\n', npy)
    (empty.folder / "ids.txt").write_text("".join(f"{item}\n" for item in range(1, 300)))
    refused(empty.refresh(), "300 vectors", "299 ids")
    (empty.folder / "ids.txt").write_text("".join(f"{item}\n" for item in range(1, 301)))
    assert json.loads(empty.refresh("--json").out)["external"]["without"] == 0
    assert empty.encode(empty.folder / "v.npy").code == 0
    assert empty.encoded()["sid"].to_list() == empty.sids()["sid"].to_list()


@pytest.mark.parametrize("write", ["write_ipc", "write_ipc_stream"])
def test_a_table_whose_header_does_not_count_its_rows_may_have_its_ids_beside(empty: World, write: str) -> None:
    """Arrow files and streams: how many vectors there are is known once they were read."""
    getattr(pl.DataFrame({"vector": clouds()}), write)(empty.folder / "v.arrow")
    empty.configure('external_ids_path = "ids.txt"\n', CONFIG.replace("v.parquet", "v.arrow"))
    for n in (299, 301):
        (empty.folder / "ids.txt").write_text("".join(f"{item}\n" for item in range(1, n + 1)))
        refused(empty.refresh(), "300 vectors", f"{n} ids")
    (empty.folder / "ids.txt").write_text("".join(f"{item}\n" for item in range(1, 301)))
    assert json.loads(empty.refresh("--json").out)["external"]["without"] == 0


def test_the_length_of_a_vector_says_nothing(world: World) -> None:
    """Brought vectors are taken as directions, however long: squares of these would overflow or vanish."""
    before = world.sids()
    lengths = np.resize([1.0, 1e200, 1e-12, 1e-300, 1e30], 300)[:, None]
    world.bring(clouds().astype(np.float64) * lengths)
    assert world.refresh().code == 0
    assert run_sql(world.folder / "w", "SELECT count(*) FROM embeddings WHERE has_signal").item() == 300
    assert world.sids().equals(before)
    assert world.encode(world.folder / "v.parquet").code == 0
    assert world.encoded()["sid"].to_list() == before["sid"].to_list()


def test_zeros_have_no_direction(world: World) -> None:
    """Item 3 of zeros: no Semantic ID from encode; the refresh counts it among those without a vector."""
    vectors = clouds()
    vectors[2] = 0.0
    report = json.loads(world.encode(world.bring(vectors), "--json").out)
    assert (report["zero"], report["catalogue"]["no sid"]) == (1, 1)
    assert world.encoded()["sid"].null_count() == 1
    assert json.loads(world.refresh("--json").out)["external"]["zero"] == 1
    world.bring(np.zeros((300, 16)))
    refused(world.refresh(), "300 of 300", "300 have one of zeros")


def test_vectors_too_alike_for_the_codes_come_with_advice_that_works(empty: World) -> None:
    """Of length 1 and one number there are two: 1 and −1. Of one direction there is no more to tell apart."""
    empty.bring(np.tile([1.0, 2.0, 3.0], (300, 1)))
    refused(empty.refresh(), "1 distinct vectors", "no fewer codes or levels pass either")
    empty.bring(np.linspace(-1.0, 1.0, 300)[:, None] + 0.001)
    refused(empty.refresh(), "2 distinct vectors", "set sids.vocabulary = 2 and sids.levels = 1")
    empty.configure("", CONFIG.replace("levels = 3\nvocabulary = 8", "levels = 1\nvocabulary = 2"))
    assert empty.refresh().code == 0


def test_a_damaged_file_leaves_everything_as_it_was(world: World) -> None:
    """Cut: one line from the refresh, its plan and encode, and the release stays the last one."""
    whole = (world.folder / "v.parquet").read_bytes()
    (world.folder / "v.parquet").write_bytes(whole[: len(whole) // 2])
    refused(world.refresh(), "v.parquet", "cut off")
    refused(world.encode(world.folder / "v.parquet"), "v.parquet", "cut off")
    refused(world.refresh("--dry-run"), "v.parquet")
    assert run_sql(world.folder / "w", "SELECT count(*) FROM releases").item() == 1


def test_the_file_of_vectors_is_not_written_over(world: World) -> None:
    before = (world.folder / "v.parquet").read_bytes()
    refused(world.run("encode", world.folder / "v.parquet", "--out", world.folder / "v.parquet"), "--out")
    assert (world.folder / "v.parquet").read_bytes() == before

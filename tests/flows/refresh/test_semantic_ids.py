"""Nights of the tokenizer through the whole refresh: modes, the crosswalk, the forecast, and bad input that publishes nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.queries.draw import draw_release
from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.runtime.run import Run
from flows.runtime.settings import Settings, load_settings
from flows.runtime.steps import DirectSteps
from pipeline.errors import AuditError, ContractError, HsrlError
from pipeline.sids import nightly
from pipeline.sids.assign import assign
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.warehouse import Warehouse
from tests.support.small_feed import feed

TOKENIZER = """
[embeddings]
parts = ["external"]
external_path = "VECTORS"
[sids]
levels = 2
vocabulary = 4
"""
Vectors = dict[int, list[float]]


def vectors(n: int = 90, shift: float = 0.0) -> Vectors:
    """Items 1 … n on an arc, all different."""
    return {item: [1.0, item / 40 + shift, (item % 7) / 7] for item in range(1, n + 1)}


THREE_KINDS: Vectors = {item: [1.0, item % 3, 0.0] for item in range(1, 91)}


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The folder of a plain first day, and what its refresh reported."""
    return {"folder": tmp_path_factory.mktemp("first") / "day"}


@pytest.fixture
def world(tmp_path: Path, first_day: dict[str, Any]) -> Callable[..., dict]:
    """One refresh: ``world(days=2, given=vectors(), sids="capacity = 1")``; a plain first day is made once and copied."""

    def run(days: int = 1, given: Vectors | None = None, sids: str = "", *, rebuild: bool = False, dry: bool = False) -> dict:
        is_plain_first = (days, given, sids, rebuild, dry, (tmp_path / "w").exists()) == (1, None, "", False, False, False)
        if not is_plain_first:
            return refreshed(days, given, sids, rebuild=rebuild, dry=dry)
        if "report" not in first_day:
            first_day["report"] = refreshed()
            shutil.copytree(tmp_path, first_day["folder"])
        shutil.copytree(first_day["folder"], tmp_path, dirs_exist_ok=True)
        return first_day["report"]

    def refreshed(
        days: int = 1, given: Vectors | None = None, sids: str = "", *, rebuild: bool = False, dry: bool = False
    ) -> dict:
        written = vectors() if given is None else given
        schema = {"item_id": pl.Int64, "vector": pl.List(pl.Float64)}
        if written:  # none: the file as it is
            pl.DataFrame({"item_id": list(written), "vector": list(written.values())}, schema=schema).write_parquet(
                tmp_path / "v.parquet"
            )
        return refresh(
            settings(days, sids),
            tmp_path / "w",
            Run("daily-refresh"),
            DirectSteps(),
            RefreshRequest(rebuild=rebuild, dry_run=dry),
        )

    def settings(days: int, sids: str) -> Settings:
        config = tmp_path / "c.toml"
        config.write_text(feed(tmp_path / "raw", days) + TOKENIZER.replace("VECTORS", str(tmp_path / "v.parquet")) + sids)
        return load_settings(config, tmp_path / "w")

    return run


def releases(tmp_path: Path) -> int:
    """Published releases; 0 without a warehouse."""
    try:
        return run_sql(tmp_path / "w", "SELECT count(*) FROM releases").item()
    except HsrlError:
        return 0


@pytest.mark.slow
def test_a_night_that_drifted_refreshes_and_keeps_every_sid_of_its_items(world: Callable[..., dict], tmp_path: Path) -> None:
    """All vectors turn on the second night: codes are centred anew under the same numbering; the crosswalk tells who has what."""
    world(days=1)
    report = world(days=2, given=vectors(shift=1.5), sids='vector_guard = "warn"\n')
    assert report["tokenizer"]["mode"] == "refresh"
    assert report["sid_changes"]["carried"] + report["sid_changes"]["deferred"] >= 75
    books = run_sql(tmp_path / "w", "SELECT DISTINCT codebook_id, numbering_id FROM codebooks")
    assert (books.height, books["numbering_id"].n_unique()) == (2, 1)
    crosswalk = run_sql(tmp_path / "w", "SELECT count(*) FILTER (old_sid = new_sid) same, count(*) n FROM sid_crosswalk")
    assert crosswalk.row(0)[0] >= crosswalk.row(0)[1] - 1 > 70
    before = run_sql(tmp_path / "w", "SELECT item_id, sid FROM sids_at(1) ORDER BY 1")
    assert before.height == 80


@pytest.mark.slow
def test_the_same_vectors_append_and_a_rebuild_publishes_old_and_new(world: Callable[..., dict], tmp_path: Path) -> None:
    """The second night has two new items and one gone; a rebuild then renames all."""
    world(days=1)
    night = world(days=2)
    assert night["tokenizer"]["mode"] == "append"
    assert (night["sid_changes"]["unchanged"], night["sid_changes"]["new"], night["sid_changes"]["closed"]) == (79, 2, 1)
    rebuilt = world(days=2, given=vectors(shift=0.5), rebuild=True)
    assert rebuilt["tokenizer"]["mode"] == "learn"
    crosswalk = run_sql(tmp_path / "w", "FROM sid_crosswalk WHERE release_id = 3")
    assert (crosswalk.height, crosswalk["reason"].unique().to_list()) == (81, ["rebuild"])


@pytest.mark.slow
def test_a_tokenizer_that_overspends_its_budget_publishes_nothing(
    world: Callable[..., dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items swap their vectors; of 79 survivors one may move, the rest has to wait. The planted tokenizer lets all of them."""
    world(days=1)
    turned = {
        item: vectors()[item + 40 if item <= 40 else item - 40] if item <= 80 else vector for item, vector in vectors().items()
    }
    with monkeypatch.context() as patch:
        patch.setattr(
            nightly,
            "assign",
            lambda night, codes, incumbents, rules: assign(night, codes, incumbents, replace(rules, max_moved_share=1.0)),
        )
        with pytest.raises(
            AuditError, match=r"release 2 refused by 2 audits: 1\) churn_budget: .*n_allowed.* 2\) vectors_as_before: "
        ):
            world(days=2, given=turned, sids='mode = "append"\n')
    assert releases(tmp_path) == 1
    meant = 'mode = "append"\nvector_guard = "warn"\n'
    assert world(days=2, given=turned, sids=meant)["sid_changes"]["moved"] == 1


@pytest.mark.slow
def test_a_shuffled_file_is_refused_with_its_cause_and_a_rebuild_on_it_is_not(world: Callable[..., dict], tmp_path: Path) -> None:
    """Items 1–80 get one another's vectors: nothing is published, the line says what to do, and each thing it says works."""
    world(days=1)
    turned = {item: vectors()[(item + 40) % 90 + 1] for item in vectors()}
    with pytest.raises(AuditError, match=r"audit vectors_as_before: .*mend the file embeddings.external_path.*--rebuild"):
        world(days=2, given=turned)
    assert releases(tmp_path) == 1
    assert world(days=2, given=turned, rebuild=True)["tokenizer"]["mode"] == "learn"
    assert releases(tmp_path) == 2


@pytest.mark.slow
def test_a_dry_run_tells_mode_rows_time_and_churn_and_changes_nothing(world: Callable[..., dict], tmp_path: Path) -> None:
    assert world(dry=True)["forecast"] is None
    world(days=1)
    world(days=2)
    report = world(days=3, dry=True)
    assert report["tokenizer"] == "append"
    assert report["forecast"]["rows"] > 0
    assert report["forecast"]["seconds"] > 0
    assert report["forecast"]["churn"] == {"new": 2, "moved_at_most": 1, "closed": 1, "renamed": 0}
    assert releases(tmp_path) == 2


@pytest.mark.slow
def test_unique_sids_come_through_and_are_drawn(world: Callable[..., dict], tmp_path: Path) -> None:
    report = world(days=1, sids='collisions = "beam"\ncapacity = 6\n')
    assert report["sid_metrics"]["largest_bucket"] <= 6
    drawn = draw_release(tmp_path / "w", tmp_path / "out" / "sids")
    assert Path(drawn["png"]).stat().st_size > 5_000
    assert "level 2" in Path(drawn["html"]).read_text()


@pytest.mark.parametrize(
    ("given", "sids", "message"),
    [
        (vectors() | {5: [1.0, 2.0]}, "", r"1 of 90 vectors are not 3 long like the rest: item 5 \(2\)"),
        (vectors() | {5: [1.0, float("nan"), 0.0]}, "", "1 of 90 vectors hold NaN, infinite or missing values: item 5"),
        (vectors() | {5: [1.0, float("inf"), 0.0]}, "", "1 of 90 vectors hold NaN, infinite or missing values: item 5"),
        (vectors(n=3), "", "77 of 80 active items have no vector in it, more than the 20% of embeddings.external_max_missing"),
        (THREE_KINDS, "", "level 1 has 3 distinct vectors with signal for 4 codes; set sids.vocabulary = 2"),
        (None, 'collisions = "beam"\n', r"the catalogue has more items \(80\) than the 16 places below; raise sids.capacity"),
        (None, 'collisions = "suffix"\nsuffix_codes = 2\n', "prefixes of 2 locked levels hold more items"),
    ],
)
def test_bad_input_is_one_clear_line_and_publishes_nothing(
    world: Callable[..., dict], tmp_path: Path, given: Vectors | None, sids: str, message: str
) -> None:
    with pytest.raises(ContractError, match=message) as refused:
        world(given=given, sids=sids)
    assert "\n" not in str(refused.value)
    assert releases(tmp_path) == 0


def test_vectors_that_are_all_of_another_width_than_the_codebook_publish_nothing(
    world: Callable[..., dict], tmp_path: Path
) -> None:
    world(days=1)
    narrow = {item: vector[:2] for item, vector in vectors().items()}
    with pytest.raises(ContractError, match="has vectors 2 long, the codes were learned on vectors 3 long"):
        world(days=2, given=narrow)
    assert releases(tmp_path) == 1


def test_a_duplicate_item_id_publishes_nothing(world: Callable[..., dict], tmp_path: Path) -> None:
    world(days=1)
    twice = pl.DataFrame({"item_id": [*range(1, 90), 7], "vector": list(vectors().values())})
    twice.write_parquet(tmp_path / "v.parquet")
    with pytest.raises(ContractError, match="2 of 90 vectors repeat an id, expected one vector an item: item 7"):
        world(given={})
    assert releases(tmp_path) == 1


def test_a_codebook_whose_bytes_were_changed_publishes_nothing(world: Callable[..., dict], tmp_path: Path) -> None:
    world(days=1)
    with Warehouse.create_or_open(tmp_path / "w") as warehouse:
        warehouse.connection.execute("UPDATE codebooks SET n_items = n_items + 1 WHERE level = 1 AND code = 0")
    with pytest.raises(ContractError, match=r"its bytes have the fingerprint \w+; it was changed or damaged"):
        world(days=2)
    assert releases(tmp_path) == 1

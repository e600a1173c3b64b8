"""Taking back a bad night, on the small generated feed."""

from pathlib import Path
from typing import Any

import pytest

from flows.maintenance.forget import forget
from flows.maintenance.gc import collect_garbage
from flows.maintenance.rollback import rollback
from flows.runtime.run import Run
from pipeline.errors import WarehouseError
from pipeline.warehouse import readers
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.warehouse import Warehouse
from tests.support.small_feed import night, settings_of

SIDS = "SELECT item_id, codebook_id, tokens, sid, slot FROM sids ORDER BY item_id"


@pytest.mark.slow
def test_a_bad_night_is_taken_back_and_the_next_night_goes_on(tmp_path: Path) -> None:
    """Night 2 rebuilds with another vocabulary; going back to 1 brings back its SIDs, codebook, settings and (as the model
    changed) vectors; events stay. The item that came on day 2 has none until the next refresh, which takes up the old settings."""
    root = tmp_path / "w"
    night(root, 1)
    first, books = run_sql(root, SIDS), run_sql(root, "FROM codebooks ORDER BY ALL")
    night(root, 2, vocabulary=5, rebuild=True)
    n_events = run_sql(root, "SELECT count(*) FROM events").item()
    report = rollback(root, 1, Run("rollback"))
    assert (report["release_id"], report["withdrawn"]) == (3, [2])
    assert run_sql(root, SIDS).equals(first) and run_sql(root, "FROM sids_at(1)").height == first.height
    assert run_sql(root, "FROM codebooks ORDER BY ALL").equals(books)
    assert run_sql(root, "SELECT count(*) FROM events").item() == n_events
    assert run_sql(root, "SELECT DISTINCT reason FROM sid_missing").rows() == [
        ("came after release 1, which a rollback went back to",)
    ]
    assert run_sql(root, "SELECT kind, parent_id FROM releases WHERE release_id = 3").rows() == [("rollback", 1)]
    assert run_sql(root, "FROM sids_at(2)").height > first.height
    assert night(root, 2)["status"] == "published"
    assert run_sql(root, "FROM items WHERE is_active AND item_id NOT IN (SELECT item_id FROM sids)").is_empty()
    assert night(root, 2)["status"] == "nothing new"


@pytest.mark.slow
def test_item_that_was_forgotten_does_not_come_back(tmp_path: Path) -> None:
    """Night 2 learns another embedding model, so that the rollback brings the vectors of night 1 back, in which the item was."""
    root = tmp_path / "w"
    night(root, 1)
    item = run_sql(root, "SELECT item_id, raw_id FROM items ORDER BY item_id LIMIT 1").row(0, named=True)
    vectors = "SELECT item_id, vector FROM embeddings WHERE item_id <> {item_id} ORDER BY item_id".format(**item)
    then = run_sql(root, vectors)
    night(root, 2, vocabulary=5, rebuild=True)
    forget(settings_of(root, 2, vocabulary=5), root, "item", item["raw_id"], Run("forget"))
    rollback(root, 1, Run("rollback"))
    assert run_sql(root, vectors).equals(then)
    for table in ("embeddings", "sid_waiting", "sid_missing", "sid_history", "items"):
        assert run_sql(root, f"SELECT count(*) FROM {table} WHERE item_id = {item['item_id']}").item() == 0, table
    assert not list((root / "staging").rglob("*.parquet"))


@pytest.mark.slow
def test_a_rollback_whose_copy_for_readers_found_no_room_stands_and_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "w"
    night(root, 1)
    night(root, 2)
    commit, full = Warehouse.publish, "import sys; sys.exit('database or disk is full')"

    def publish(warehouse: Warehouse, *arguments: Any) -> Any:
        with monkeypatch.context() as during:
            during.setattr(readers, "_VACUUM", full)
            return commit(warehouse, *arguments)

    with monkeypatch.context() as while_full:
        while_full.setattr(Warehouse, "publish", publish)
        with pytest.raises(WarehouseError, match=r"committed, but .* \(database or disk is full\); mend that, then: hsrl gc"):
            rollback(root, 1, Run("rollback"))
    runs = "SELECT status, release_id FROM runs WHERE flow = 'rollback'"
    assert run_sql(root, runs).rows() == [("completed", 3)]
    with pytest.raises(WarehouseError, match="release 3, the last one, has brought back release 1 already"):
        rollback(root, 1, Run("rollback"))
    assert run_sql(root, runs).height == 1 and run_sql(root, "SELECT max(release_id) FROM releases").item() == 3


@pytest.mark.slow
def test_what_cannot_be_gone_back_to_is_said(tmp_path: Path) -> None:
    root = tmp_path / "w"
    for days in (1, 2, 3):
        night(root, days)
    for target, message in ((3, "release 3 is the last one already"), (7, "there is no release 7")):
        with pytest.raises(WarehouseError, match=message):
            rollback(root, target, Run("rollback"))
    report = collect_garbage(root, Run("gc"), RetentionConfig(keep_days=0, keep_releases=2), dry_run=False)
    assert report["releases"] == [1]
    with pytest.raises(WarehouseError, match="the snapshot of release 1 has expired"):
        rollback(root, 1, Run("rollback"))
    assert run_sql(root, "SELECT status FROM runs WHERE flow = 'gc'").rows() == [("completed",)]


@pytest.mark.slow
def test_a_rebuild_of_what_is_there_gives_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "w"
    night(root, 1)
    first = run_sql(root, SIDS)
    assert night(root, 1, rebuild=True)["release_id"] == 2
    assert run_sql(root, SIDS).equals(first)


def test_what_a_rollback_took_back_is_not_used_again(tmp_path: Path) -> None:
    """A policy of release 2, gone back behind: the store gives its fingerprint's successor, so that it is trained anew."""
    root = tmp_path / "w"
    with Warehouse.create_or_open(root) as warehouse:
        warehouse.connection.execute(
            "INSERT INTO releases VALUES (1, 'a', 'refresh', NULL, '', '{}', 0, [], now()), (2, 'b', 'retrain', 1, '', '{}', 0, [], now())"
        )
        warehouse.connection.execute(
            "INSERT INTO artifacts VALUES ('p', 'policy', 'artifacts/policy/p', NULL, 1, '', [], 'b', 2, now())"
        )
        assert warehouse.artifacts.not_withdrawn_id("p") == "p"
        warehouse.connection.execute("INSERT INTO releases VALUES (3, 'c', 'rollback', 1, '', '{}', 0, [], now())")
        assert warehouse.query("SELECT release_id FROM withdrawn")["release_id"].to_list() == [2]
        assert warehouse.artifacts.not_withdrawn_id("p") != "p"

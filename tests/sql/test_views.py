"""What the views, macros and examples answer in the small world of world.sql."""

import duckdb
import pytest

from pipeline.warehouse.statements import SQL_ROOT, read_statement, statements


def rows(world: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return world.execute(sql).fetchall()


def example(world: duckdb.DuckDBPyConnection, name: str) -> list[tuple]:
    return rows(world, read_statement(SQL_ROOT / "examples" / f"{name}.sql").sql)


def test_the_split_follows_the_splits_table_without_touching_records(world: duckdb.DuckDBPyConnection) -> None:
    ask = "SELECT record_id FROM records WHERE split = 'train' ORDER BY record_id"
    assert rows(world, ask) == [("1-0",), ("2-0",)]
    world.execute("UPDATE splits SET n_train = 2 WHERE user_id = 1")
    assert rows(world, ask) == [("1-0",), ("1-1",), ("2-0",)]


def test_sids_are_the_open_rows(world: duckdb.DuckDBPyConnection) -> None:
    assert rows(world, "SELECT item_id, sid FROM sids ORDER BY item_id") == [(10, "0-0"), (11, "0-0"), (12, "1-0")]


def test_a_bucket_lists_its_items_in_slot_order(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE sid_history SET slot = 7 WHERE item_id = 10")
    assert rows(world, "SELECT sid, n_items, item_ids FROM sid_buckets ORDER BY sid") == [("0-0", 2, [11, 10]), ("1-0", 1, [12])]


def test_churn_tells_new_moved_and_closed_apart(world: duckdb.DuckDBPyConnection) -> None:
    """Night 1: four new. Night 2: item 11 moved (its old row closed too, but the item did not leave), item 13 left."""
    ask = "SELECT release_id, n_new, n_moved, n_returned, n_rebuilt, n_closed FROM sid_churn ORDER BY release_id"
    assert rows(world, ask) == [(1, 4, 0, 0, 0, 0), (2, 0, 1, 0, 0, 1)]


def test_a_rebuild_closes_nothing_that_goes_on_in_the_new_codebook(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE sid_history SET valid_to = 3 WHERE item_id = 12")
    world.execute("INSERT INTO sid_history VALUES (12, 'd', [0], '0', 0, 0, 3, NULL, 'greedy', 'rebuild', 0, false)")
    ask = "SELECT codebook_id, n_new, n_rebuilt, n_closed FROM sid_churn WHERE release_id = 3"
    assert rows(world, ask) == [("d", 0, 1, 0)]
    crosswalk = "SELECT release_id, item_id, old_codebook_id, old_sid, new_codebook_id, new_sid, reason FROM sid_crosswalk"
    assert rows(world, crosswalk) == [(3, 12, "c", "1-0", "d", "0", "rebuild")]


def test_a_sid_carried_over_to_codes_centred_anew_is_told_apart(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE sid_history SET valid_to = 3 WHERE item_id = 12")
    world.execute("INSERT INTO sid_history VALUES (12, 'd', [1, 0], '1-0', 2, 0, 3, NULL, 'incumbent', 'carried', 0, false)")
    assert rows(world, "SELECT n_new, n_moved, n_carried, n_closed FROM sid_churn WHERE release_id = 3") == [(0, 0, 1, 0)]
    assert rows(world, "SELECT old_sid = new_sid AND old_slot = new_slot FROM sid_crosswalk") == [(True,)]


def test_sids_as_of_a_release_are_those_that_held_then(world: duckdb.DuckDBPyConnection) -> None:
    assert rows(world, "SELECT item_id, sid FROM sids_at(1) ORDER BY item_id") == [
        (10, "0-0"),
        (11, "0-1"),
        (12, "1-0"),
        (13, "1-1"),
    ]
    assert rows(world, "SELECT item_id, sid FROM sids_at(2) ORDER BY item_id") == rows(
        world, "SELECT item_id, sid FROM sids ORDER BY 1"
    )


def test_the_items_of_a_sid_and_of_a_prefix(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE sid_history SET sid = '00-0' WHERE item_id = 12")  # begins with the letter 0, not with the code 0
    assert rows(world, "SELECT item_id, title FROM sid_items('0-0')") == [(10, "Ten"), (11, "Eleven")]
    assert rows(world, "SELECT item_id FROM sid_prefix('0')") == [(10,), (11,)]
    assert rows(world, "SELECT item_id FROM sid_prefix('0-0')") == [(10,), (11,)]


def test_lineage_leads_back_to_the_raw_files_and_their_hashes(world: duckdb.DuckDBPyConnection) -> None:
    ask = "SELECT input_kind, input_path, input_sha256 FROM lineage WHERE artifact_id = ? ORDER BY input_path"
    assert world.execute(ask, ["a1"]).fetchall() == [("raw file", "day1.csv", "aa"), ("raw file", "day2.csv", "bb")]
    assert world.execute(ask, ["a2"]).fetchall() == [("codebook", "artifacts/codebook/a1", "cc")]


@pytest.mark.parametrize("statement", list(statements("examples")), ids=lambda statement: statement.name)
def test_an_example_has_an_answer(world: duckdb.DuckDBPyConnection, statement) -> None:  # type: ignore[no-untyped-def]
    assert rows(world, statement.sql)


def test_examples_answer_their_question(world: duckdb.DuckDBPyConnection) -> None:
    """Level 1 uses code 0 twice and code 1 once: perplexity exp(H(2/3, 1/3)) = 1.9; level 2 uses code 0 only."""
    assert example(world, "codes_by_level") == [("c", 1, 2, 2, 1.9), ("c", 2, 1, 2, 1.0)]
    assert example(world, "items_by_first_code") == [(0, 2), (1, 1)]
    assert example(world, "largest_buckets")[0] == ("0-0", 2, [10, 11])
    assert example(world, "moved_last_night") == [(11, "Eleven", "0-1", "0-0", 0.0, 0.5)]
    assert example(world, "items_without_sid") == [("no vector", 1, 14, "Fourteen")]
    assert [row[2] for row in example(world, "evaluations_of_last_retrain")] == ["hsrl", "random"]
    assert example(world, "quarantine_reasons") == [("item is not a number", "day1.csv", 1, 7, "1,x,0")]
    assert [row[1:] for row in example(world, "churn_by_release")] == [(2, "c", 0, 1, 0, 0, 0, 1), (1, "c", 4, 0, 0, 0, 0, 0)]

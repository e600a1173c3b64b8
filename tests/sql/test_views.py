"""What the views, macros and examples answer in the small world of world.sql."""

import random
import threading
from datetime import datetime

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
    """a2 (a simulator) was made from a1, a1 from the ingests i1 and i2, those from a raw file each; release 2 from all that is new."""
    ask = "SELECT input_id, input_kind, input_name, input_sha256 FROM lineage WHERE id = ? ORDER BY ALL"
    assert world.execute(ask, ["a2"]).fetchall() == [("a1", "codebook", "artifacts/codebook/a1", "cc")]
    assert world.execute(ask, ["a1"]).fetchall() == [("i1", "ingest", "shop, day 1", None), ("i2", "ingest", "shop, day 2", None)]
    assert world.execute(ask, ["i1"]).fetchall() == [("raw:aa", "raw file", "day1.csv", "aa")]
    assert [row[0] for row in world.execute(ask, ["release:2"]).fetchall()] == ["a1", "a2", "i2", "release:1"]


def test_records_lead_back_night_by_night(world: duckdb.DuckDBPyConnection) -> None:
    """What a simulator of release 2 saw: the delivery and record files of night 2, and all that there was after night 1."""
    world.execute(
        "INSERT INTO artifacts SELECT * REPLACE ('f' AS artifact_id, 'record_rows' AS kind, ['i2'] AS inputs) FROM artifacts LIMIT 1"
    )
    ask = "SELECT input_id FROM lineage WHERE id = ? ORDER BY ALL"
    assert world.execute(ask, ["records:2"]).fetchall() == [("f",), ("i2",), ("records:1",)]
    assert world.execute(ask, ["records:1"]).fetchall() == [("i1",)]


def test_a_rollback_withdraws_what_lies_between(world: duckdb.DuckDBPyConnection) -> None:
    """3 goes back to 1: 2 is withdrawn; 4, built upon 3, goes on; 5 goes back to 2: then 3 and 4 are withdrawn, and 2 is not."""
    assert rows(world, "FROM withdrawn") == []
    add = "INSERT INTO releases SELECT {}, 'r', '{}', {}, '', '{{}}', 0, [], now()"
    world.execute(add.format(3, "rollback", 1))
    world.execute(add.format(4, "refresh", 3))
    assert rows(world, "SELECT release_id FROM withdrawn ORDER BY 1") == [(2,)]
    world.execute(add.format(5, "rollback", 2))
    assert rows(world, "SELECT release_id FROM withdrawn ORDER BY 1") == [(3,), (4,)]


def test_any_line_of_releases_is_followed_as_one_would_by_hand(world: duckdb.DuckDBPyConnection) -> None:
    """Forty random histories: from the last release to the one it is built upon, and so on; whatever was not met is withdrawn."""
    draw = random.Random(4)  # noqa: S311
    for _ in range(40):
        numbers = sorted(draw.sample(range(1, 60), draw.randint(1, 25)))
        parents = {
            number: None if not earlier else earlier[-1] if draw.random() < 0.7 else draw.choice(earlier)
            for place, number in enumerate(numbers)
            for earlier in [numbers[:place]]
        }
        world.execute("DELETE FROM releases")
        for number, parent in parents.items():
            world.execute("INSERT INTO releases SELECT ?, 'r', 'refresh', ?, '', '{}', 0, [], now()", [number, parent])
        at, line = numbers[-1], set[int | None]()
        while at is not None:
            line.add(at)
            at = parents[at]
        assert rows(world, "SELECT release_id FROM withdrawn ORDER BY 1") == [(n,) for n in numbers if n not in line], parents


@pytest.mark.parametrize(("release", "parent"), [(2, 2), (1, 2)])
def test_a_line_of_releases_that_goes_in_a_circle_ends(world: duckdb.DuckDBPyConnection, release: int, parent: int) -> None:
    """No release is built upon itself or upon a later one; a catalogue that was tampered with must not hang whoever reads it."""
    world.execute("UPDATE releases SET parent_id = ? WHERE release_id = ?", [parent, release])
    timer = threading.Timer(20, world.interrupt)
    timer.start()
    assert rows(world, "SELECT release_id FROM withdrawn") == ([(1,)] if release == parent else [])
    timer.cancel()


def test_raw_ids_and_titles_stand_beside_the_hashes_wherever_items_do(world: duckdb.DuckDBPyConnection) -> None:
    """Item 10 is sku-10 in the raw log; the columns that were there before stand before the new ones."""
    world.execute("UPDATE items SET raw_id = 'sku-' || raw_id")
    assert rows(world, "SELECT raw_id, title FROM sids WHERE item_id = 10") == [("sku-10", "Ten")]
    assert rows(world, "SELECT raw_id, title FROM sids_at(1) WHERE item_id = 13") == [("sku-13", "Thirteen")]
    assert rows(world, "SELECT raw_id FROM sid_items('0-0')") == [("sku-10",), ("sku-11",)]
    assert rows(world, "SELECT raw_id FROM sid_prefix('0')") == [("sku-10",), ("sku-11",)]
    buckets = "SELECT item_ids, raw_ids, titles FROM sid_buckets WHERE sid = '0-0'"
    assert rows(world, buckets) == [([10, 11], ["sku-10", "sku-11"], ["Ten", "Eleven"])]
    for name, first in (("sids", 11), ("sid_buckets", 5), ("sids_at(1)", 11), ("sid_items('0-0')", 5), ("sid_prefix('0')", 6)):
        columns = [row[0] for row in rows(world, f"DESCRIBE FROM {name}")]
        assert not {"raw_id", "raw_ids"} & set(columns[:first]) and {"raw_id", "raw_ids"} & set(columns[first:]), name


def test_an_item_that_no_catalogue_lists_keeps_its_semantic_id(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("DELETE FROM items WHERE item_id = 10")
    assert rows(world, "SELECT sid, raw_id FROM sids WHERE item_id = 10") == [("0-0", None)]
    assert rows(world, "SELECT n_items, item_ids, raw_ids FROM sid_buckets WHERE sid = '0-0'") == [(2, [10, 11], [None, "11"])]


def test_semantic_ids_in_words(world: duckdb.DuckDBPyConnection) -> None:
    ask = "SELECT raw_id, title, categories, sid, is_active FROM sids_named ORDER BY item_id"
    assert rows(world, ask)[0] == ("10", "Ten", ["a"], "0-0", True) and len(rows(world, ask)) == 3


def test_a_prefix_is_told_by_its_items(world: duckdb.DuckDBPyConnection) -> None:
    """0 holds items 10 (a, liked once of two) and 11 (b, twice of three): as many of a as of b, and 11 stands first."""
    ask = "SELECT level, prefix, n_items, category, category_share, titles, n_shown, n_liked, round(liked_rate, 3) FROM prefixes ORDER BY 1, 2"
    zero, first = (2, "a", 0.5, ["Eleven", "Ten"], 5, 3, 0.6), (1, "b", 1.0, ["Twelve"], 3, 2, 0.667)
    assert rows(world, ask) == [(1, "0", *zero), (1, "1", *first), (2, "0-0", *zero), (2, "1-0", *first)]


def test_a_prefix_of_items_that_nothing_is_known_of(world: duckdb.DuckDBPyConnection) -> None:
    """An item that no catalogue lists, and one without title, categories and events."""
    world.execute("DELETE FROM items WHERE item_id = 10; DELETE FROM events")
    world.execute("UPDATE items SET title = NULL, categories = [] WHERE item_id = 12")
    ask = "SELECT prefix, n_items, category, category_share, titles, n_shown, liked_rate FROM prefixes WHERE level = 1 ORDER BY 1"
    assert rows(world, ask) == [("0", 2, "b", 0.5, [None, "Eleven"], 0, None), ("1", 1, None, None, ["12"], 0, None)]


@pytest.mark.parametrize("statement", list(statements("examples")), ids=lambda statement: statement.name)
def test_an_example_has_an_answer(world: duckdb.DuckDBPyConnection, statement) -> None:  # type: ignore[no-untyped-def]
    assert rows(world, statement.sql)


# Of each example its answer in the small world; where it has times of writing in front, the columns after them.
ANSWERS: dict[str, list[tuple]] = {
    "claims_of_last_retrain": [("hsrl", "item_sasrec", "better", 0.5, 0.3, 0.7, "trees", 0.02, 0.4, 0.01, 0.002)],
    "churn_by_release": [(2, "c", 0, 1, 0, 0, 0, 1, 0), (1, "c", 4, 0, 0, 0, 0, 0, 0)],
    # Level 1 uses code 0 twice and code 1 once: perplexity exp(H(2/3, 1/3)) = 1.9; level 2 uses code 0 only, under two prefixes.
    "codes_by_level": [("c", 1, 2, 2, 1.9), ("c", 2, 1, 2, 1.0)],
    "hourglass_by_level": [("c", 1, 2, 2, 0.667), ("c", 2, 1, 2, 1.0)],
    "cold_items": [
        (14, "14", "Fourteen", 0, None),
        (10, "10", "Ten", 2, "0-0"),
        (11, "11", "Eleven", 3, "0-0"),
        (12, "12", "Twelve", 3, "1-0"),
    ],
    "evaluations_of_last_retrain": [
        ("s1", "latent", "own", "hsrl", 1, 4.0, 3.8, 4.2, 10.0, 3, 0.1, 0.0),
        ("s1", "latent", "reference", "random", 1, 1.0, 0.8, 1.2, 8.0, 4, 0.0, 0.0),
    ],
    # Items 11 and 12 are b: six of eight events, four liked.
    "exposure_by_category": [("b", 6, 0.75, 0.667), ("a", 2, 0.25, 0.5)],
    "failed_audits": [("r2", "churn_budget", "warn", 1, '{"n":1}', "completed")],
    "items_by_first_code": [(0, 2), (1, 1)],
    "items_that_share_a_sid": [(1, 1, 1), (2, 1, 2)],
    "items_without_sid": [("no vector", 1, 14, "14", "Fourteen")],
    "largest_buckets": [("0-0", 2, [10, 11], ["10", "11"]), ("1-0", 1, [12], ["12"])],
    "liked_by_prefix": [("1-0", 1, 3, 0.667), ("0-0", 2, 5, 0.6)],
    "moved_last_night": [(11, "11", "Eleven", "0-1", "0-0", 0.0, 0.5)],
    "new_items_last_night": [
        (10, "10", "Ten", "0-0", 0.0, False),
        (11, "11", "Eleven", "0-1", 0.0, False),
        (12, "12", "Twelve", "1-0", 0.0, False),
        (13, "13", "Thirteen", "1-1", 0.0, False),
    ],
    "panel_of_last_retrain": [("random", 1, "latent", 1, 1.0, 0.0)],
    "policy_beside_references": [("random", "own", "latent", 1, 4.0, 1.0, 3.0)],
    # Code 0 (items 10, 11): two of four liked before, one of one last night; code 1 (item 12): two of two, then none of one.
    "prefixes_that_gain": [(0, 0.5, 1.0, 0.5), (1, 1.0, 0.0, -1.0)],
    "quarantine_reasons": [("item is not a number", "day1.csv", 1, 7, "1,x,0")],
    "records_per_user": [(2, 2, 2, 2, 2, 2, 2, 2)],
    "releases_and_their_state": [(2, "refresh", 1, False), (1, "refresh", None, False)],
    "restless_items": [(11, "11", "Eleven", 1, ["0-1", "0-0"])],
    "real_answers_by_release": [
        (2, "hsrl", 1, "auc_in_slate", 0.66, 0.64, 0.68, 2),
        (2, "item like-rate", None, "auc_in_slate", 0.6, 0.58, 0.62, 2),
    ],
    "reward_by_release": [(None, None, 4.0, None, 1.0)],
    "rows_by_delivery": [(2, "shop", "day 2", 2, 2, 0, 0, 0.0), (1, "shop", "day 1", 8, 6, 1, 1, 0.125)],
    "slowest_stages": [("daily-refresh", "ingest", 1, 1.5, 1.5), ("daily-refresh", "semantic ids", 1, 0.25, 0.25)],
    "stored_bytes": [("codebook", 1, 10, None, 2), ("simulator", 1, 10, None, 2)],
    "strangers_in_one_sid": [("0-0", 10, "10", "Ten", 11, "11", "Eleven")],
    "why_an_item_moved": [(11, "11", "Eleven", "0-1", "0-0", 2, "greedy", False)],
    "worst_encoded_items": [
        (11, "11", "Eleven", "0-0", 0.5, False, "greedy"),
        (10, "10", "Ten", "0-0", 0.0, False, "greedy"),
        (12, "12", "Twelve", "1-0", 0.0, False, "greedy"),
    ],
}


def test_every_example_has_a_known_answer() -> None:
    assert set(ANSWERS) == {statement.name for statement in statements("examples")} and len(ANSWERS) >= 20


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_an_example_answers_its_question(world: duckdb.DuckDBPyConnection, name: str) -> None:
    timeless = [tuple(value for value in row if not isinstance(value, datetime)) for row in example(world, name)]
    if name == "reward_by_release":
        timeless = [row[1:] for row in timeless]
    assert timeless == ANSWERS[name]

"""Each audit passes the clean world and finds the one fault planted in it."""

import json

import duckdb
import pytest

from pipeline.sids.config import SidsConfig
from pipeline.warehouse.audits import run_audits
from pipeline.warehouse.statements import SQL_ROOT, read_statement, statements

AUDITS = [statement.name for statement in statements("audits")]

# Beside the policy, which scores 4 ± 0.2, the incumbent scores 5 ± 0.2.
INCUMBENT = (
    "INSERT INTO evaluations SELECT * REPLACE ('incumbent' AS policy, 'p0' AS policy_id, 5 AS total_reward, 4.8 AS ci_low, 5.2 AS ci_high) "
    "FROM evaluations WHERE policy = 'hsrl'"
)
# Limits as they are by default, and a last release with 5 % of the items on fallbacks.
GUARDED = (
    "UPDATE releases SET config = '"
    + json.dumps({"sids": SidsConfig().model_dump(mode="json"), "embeddings": {"parts": ["external"]}})
    + "'; INSERT INTO previous.sid_metrics VALUES (1, 'c', 0, 'fallback_share', 0.05); "
    "INSERT INTO sid_metrics VALUES (2, 'c', 0, 'jumped_share', 0.01), "
)
RIGHT = "(2, 'c', 0, 'explained_drop', 0.01), (2, 'c', 0, 'fallback_share', 0.06), (2, 'c', 0, 'strayed_share', 0.01); "
STRAYED = "DELETE FROM sid_metrics WHERE metric = '{0}'; INSERT INTO sid_metrics VALUES (2, 'c', 0, '{0}', {1})"
EXPLAINED = (
    "INSERT INTO sid_metrics SELECT release_id, codebook_id, 0, 'explained_variance', value "
    "FROM (VALUES {}) AS t (release_id, codebook_id, value)"
)
LEARNED = "DELETE FROM previous.codebooks; "
ASKED = """UPDATE releases SET config = '{"sids": {"epsilon": 0.1}}'; """
NO_POSITIVES = "UPDATE ingests SET n_accepted = 100, n_positives = if(ingest_id = 'i1', 50, 0)"
# All of user 1 was laid out anew by release 2.
REBUILT = "INSERT INTO rebuilt_users VALUES (1, 'i2', 2); "
# audit, the fault planted, what its first example must say
FAULTS = [
    ("events_unique", "INSERT INTO events SELECT * FROM events WHERE ingest_id = 'i2' AND user_seq = 2", {"user_seq": 2, "n": 2}),
    ("events_unique", "UPDATE events SET user_seq = 1 WHERE user_id = 2 AND ingest_id = 'i2' AND user_seq = 2", {"user_id": 2}),
    (
        "records_unique",
        "INSERT INTO record_rows SELECT * FROM record_rows WHERE record_id = '2-1'",
        {"user_id": 2, "n_rows": 2, "n_different": 1},
    ),
    ("records_unique", "UPDATE record_rows SET record_index = 5 WHERE record_id = '2-1'", {"user_id": 2}),
    ("events_unique", REBUILT + "UPDATE events SET user_seq = 0 WHERE user_id = 1 AND user_seq = 1", {"user_id": 1, "n": 2}),
    (
        "records_unique",
        REBUILT + "DELETE FROM record_rows WHERE record_id = '1-0'",
        {"user_id": 1, "n_before": 0, "first_index": 1},
    ),
    ("rebuilt_keeps_events", REBUILT + "DELETE FROM events WHERE user_id = 1 AND user_seq = 1", {"n_before": 4, "n_now": 3}),
    (
        "rebuilt_keeps_events",
        REBUILT + "UPDATE events SET feedback = 1 WHERE user_id = 1 AND user_seq = 1",
        {"n_before": 4, "n_now": 4},
    ),
    (
        "rebuilt_keeps_events",
        REBUILT + "UPDATE ingests SET replaces = ['i0'] WHERE ingest_id = 'i2'; DELETE FROM events WHERE user_id = 1",
        {"n_before": 4, "n_now": 0},
    ),
    ("history_before_slate", REBUILT + "UPDATE record_rows SET history = [11] WHERE record_id = '1-1'", {"item_id": 11}),
    ("records_unique", "DELETE FROM splits WHERE user_id = 1", {"user_id": 1, "n_records": None}),
    ("records_unique", "UPDATE splits SET n_records = 3 WHERE user_id = 1", {"user_id": 1, "n_before": 2, "n_records": 3}),
    ("records_unique", "UPDATE record_rows SET record_index = 0 WHERE record_id = '2-1'", {"user_id": 2, "first_index": 0}),
    ("records_unique", "UPDATE splits SET n_records = 1 WHERE user_id = 2", {"user_id": 2, "n_before": 1, "n_rows": 1}),
    ("records_unique", "INSERT INTO splits VALUES (3, 1, 1, 'x')", {"user_id": 3, "n_rows": None}),
    (
        "lines_conserved",
        "UPDATE ingest_lines SET n_lines = 63 WHERE ingest_id = 'i2'",
        {"file": "day2.csv", "n_expected": 63, "n_found": 3},
    ),
    (
        "lines_conserved",
        "INSERT INTO quarantine VALUES ('r2', 'i2', 'day2.csv', 3, 'x', 'y')",
        {"file": "day2.csv", "n_expected": 0, "n_found": 1},
    ),
    ("lines_conserved", "DELETE FROM events WHERE ingest_id = 'i2' AND user_seq = 2", {"n_expected": 2, "n_found": 1}),
    (
        "churn_budget",
        "UPDATE sid_history SET tokens = [1, 1], sid = '1-1' WHERE item_id = 12",
        {"n_moved": 2, "some_items": [11, 12]},
    ),
    (
        "codebook_guard_rails",
        LEARNED + "UPDATE codebooks SET n_items = 0 WHERE level = 2 AND code = 1",
        {"fault": "too few codes are used"},
    ),
    ("codebook_guard_rails", "UPDATE codebooks SET centroid = [0, 0]", {"level": 1, "fault": "two codes are the same point"}),
    ("codebook_guard_rails", "UPDATE codebooks SET code = 5 WHERE code = 1", {"fault": "codes are not numbered 0, 1, 2 …"}),
    ("codebook_guard_rails", "UPDATE codebooks SET level = 4 WHERE level = 2", {"fault": "levels are not numbered 1, 2 …"}),
    (
        "codebook_guard_rails",
        "UPDATE codebooks SET centroid = [0, 'nan'::FLOAT] WHERE code = 1",
        {"fault": "centroids are not finite, or of several widths"},
    ),
    (
        "codebook_guard_rails",
        "INSERT INTO codebooks SELECT 'd', 'd', 'e', 1, i, [i], if(i = 0, 100, 1), 1 FROM range(9) AS t (i)",
        {"codebook_id": "d", "fault": "few codes hold nearly everything"},
    ),
    (
        "codebook_guard_rails",
        "INSERT INTO codebooks SELECT 'd', 'd', 'e', 3, i, [i], if(i < 3, 700, 1), 1 FROM range(64) AS t (i)",
        {"level": 3, "n_for_most": 3, "n_needed": 4, "fault": "few codes hold nearly everything"},
    ),
    ("nobody_waits_unseen", ASKED + "DELETE FROM sid_waiting", {"item_id": 11, "held_error": 1.0, "nearest_error": 0.0}),
    (
        "nobody_waits_unseen",
        ASKED + "UPDATE embeddings SET vector = [1, 1] WHERE item_id = 12",
        {"item_id": 12, "fault": "waits, but is not listed"},
    ),
    ("nobody_waits_unseen", ASKED + "UPDATE sid_waiting SET sid = '0-1'", {"item_id": 11, "nearest_error": 0.0}),
    ("nobody_waits_unseen", ASKED + "UPDATE sid_waiting SET since_release = 3", {"item_id": 11}),
    (
        "policy_not_worse",
        "UPDATE evaluations SET kind = 'transferred' WHERE policy = 'hsrl'; " + INCUMBENT,
        {"incumbent_reward": 5.0},
    ),
    (
        "policy_not_worse",
        "INSERT INTO policies SELECT * REPLACE ('p0' AS policy_id) FROM policies",
        {"fault": "published beside another"},
    ),
    (
        "vectors_as_before",
        GUARDED + RIGHT + STRAYED.format("explained_drop", 0.7),
        {"figure": "explained_drop", "severity": "block"},
    ),
    ("vectors_as_before", GUARDED + RIGHT + STRAYED.format("strayed_share", 0.3), {"figure": "strayed", "value": 0.3}),
    ("vectors_as_before", GUARDED + RIGHT + STRAYED.format("lost_signal_share", 0.3), {"figure": "lost_signal"}),
    ("vectors_as_before", GUARDED + RIGHT + STRAYED.format("fallback_share", 0.6), {"figure": "fallback_rise"}),
    ("vectors_as_before", GUARDED + RIGHT + STRAYED.format("lost_columns_share", 0.06), {"figure": "lost_columns"}),
    ("codes_eroded", GUARDED + RIGHT + EXPLAINED.format("(1, 'c', 0.8), (2, 'c', 0.65)"), {"learned_in": 1, "value": 0.65}),
    ("sids_complete", "DELETE FROM sid_missing", {"item_id": 14}),
    ("sids_complete", "UPDATE sid_history SET valid_to = NULL WHERE sid = '0-1'", {"item_id": 11}),
    ("sid_history_kept", "UPDATE sid_history SET slot = 4 WHERE item_id = 12", {"item_id": 12}),
    ("sid_history_kept", "UPDATE sid_history SET tokens = [1, 1], sid = '1-1' WHERE item_id = 12", {"sid_after": "1-1"}),
    ("sid_history_kept", "DELETE FROM sid_history WHERE item_id = 13", {"item_id": 13, "sid_after": None}),
    ("sid_history_kept", "UPDATE previous.sid_history SET valid_to = 1 WHERE item_id = 12", {"item_id": 12}),
    (
        "sids_in_codebook",
        "UPDATE sid_history SET tokens = [0, 2], sid = '0-2' WHERE valid_from = 2",
        {"fault": "no such code at level 2"},
    ),
    (
        "sids_in_codebook",
        "UPDATE sid_history SET tokens = [0], sid = '0' WHERE valid_from = 2",
        {"fault": "text or number of levels"},
    ),
    ("sids_named", "UPDATE sid_history SET sid = '0-1' WHERE item_id = 10", {"item_id": 10, "fault": "sid"}),
    ("sids_named", "UPDATE sid_history SET sid_key = 2 WHERE item_id = 13", {"item_id": 13, "fault": "sid_key"}),
    ("sids_in_codebook", "UPDATE sid_history SET sid = '0-1' WHERE valid_from = 2", {"fault": "text or number of levels"}),
    ("sids_in_codebook", "UPDATE sid_history SET codebook_id = 'other' WHERE valid_from = 2", {"codebook_id": "other"}),
    ("slots_unique", "UPDATE sid_history SET slot = 0 WHERE valid_from = 2", {"sid": "0-0", "item_ids": [10, 11]}),
    ("ingest_conservation", "UPDATE ingests SET n_rows = 3 WHERE ingest_id = 'i2'", {"n_rows": 3, "n_accepted": 2}),
    ("ingest_conservation", "DELETE FROM events WHERE ingest_id = 'i2' AND user_seq = 3", {"n_events": 1}),
    ("ingest_conservation", "DELETE FROM events WHERE ingest_id = 'i2'", {"n_events": 0}),
    ("history_before_slate", "UPDATE record_rows SET history = [10] WHERE record_id = '2-1'", {"item_id": 10}),
    ("history_before_slate", "UPDATE record_rows SET history = [11] WHERE record_id = '2-1'", {"item_id": 11}),
    ("delivery_drift", NO_POSITIVES, {"finding": "share of positives of day 2 is 0.000, usually 0.500"}),
    ("delivery_unusual", NO_POSITIVES, {"finding": "share of positives of day 2 is 0.000, usually 0.500"}),
    ("registered_complete", "UPDATE embeddings SET vector = [0] WHERE item_id = 10", {"table_name": "embeddings"}),
    ("registered_complete", "UPDATE embeddings SET vector = ['nan'::FLOAT, 0] WHERE item_id = 10", {"key": "(e, 10)"}),
    ("registered_complete", "UPDATE embeddings SET vector = [NULL, NULL] WHERE item_id = 10", {"key": "(e, 10)"}),
    ("registered_complete", "UPDATE events SET feedback = 2 WHERE ingest_id = 'i2'", {"table_name": "events"}),
    ("registered_complete", "UPDATE record_rows SET feedback = [1] WHERE record_id = '2-1'", {"key": "2-1"}),
    ("registered_complete", "UPDATE record_rows SET record_id = '2-9' WHERE record_id = '2-1'", {"key": "2-9"}),
    ("lineage_circles", "UPDATE artifacts SET inputs = ['a2'] WHERE artifact_id = 'a1'", {"id": "a1"}),
    ("temper_law", "UPDATE evaluations SET total_reward = 5.6 WHERE policy = 'hsrl'", {"policy": "hsrl"}),
    ("temper_law", "UPDATE evaluations SET total_reward = 'nan' WHERE policy = 'hsrl'", {"policy": "hsrl"}),
    ("simulator_auc", "UPDATE simulators SET auc = 0.5", {"simulator_id": "s1"}),
    ("simulator_auc", "UPDATE simulators SET auc = 'nan'", {"simulator_id": "s1"}),
]
KEYED = [statement.name for statement in statements("schema") if statement.header["grain"] != "none"]
KEYED_ELSEWHERE = {
    "events",
    "record_rows",
    "runs",
    "audits",
    "experiments",
}  # audits of their own; ledgers are no part of a release


def offenders(world: duckdb.DuckDBPyConnection, audit: str) -> list[dict]:
    [finding] = run_audits(world, [read_statement(SQL_ROOT / "audits" / f"{audit}.sql")])
    assert finding.is_blocking == (bool(finding.n_offenders) and finding.severity == "block")
    return [json.loads(example) for example in finding.examples]


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_passes_the_clean_world(world: duckdb.DuckDBPyConnection, audit: str) -> None:
    assert offenders(world, audit) == []


@pytest.mark.parametrize(("audit", "fault", "expected"), FAULTS)
def test_an_audit_finds_the_planted_fault(world: duckdb.DuckDBPyConnection, audit: str, fault: str, expected: dict) -> None:
    world.execute(fault)
    assert any(expected.items() <= offender.items() for offender in offenders(world, audit)), offenders(world, audit)


@pytest.mark.parametrize("column", ["user_id", "item_id", "user_seq", "feedback", "source", "ingest_id"])
def test_a_registered_file_may_not_leave_a_required_field_of_an_event_empty(
    world: duckdb.DuckDBPyConnection, column: str
) -> None:
    """Registering a file lets NULL into NOT NULL, so the constraint is lifted here."""
    world.execute(f"ALTER TABLE events ALTER {column} DROP NOT NULL; UPDATE events SET {column} = NULL WHERE ingest_id = 'i2'")
    assert offenders(world, "registered_complete")[0]["table_name"] == "events"


@pytest.mark.parametrize("table", sorted(set(KEYED) - KEYED_ELSEWHERE))
def test_a_repeated_key_is_found_in_every_table(world: duckdb.DuckDBPyConnection, table: str) -> None:
    world.execute(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1")
    assert [offender["table_name"] for offender in offenders(world, "keys_unique")] == [table]


def test_every_audit_has_a_planted_fault() -> None:
    assert {audit for audit, _, _ in FAULTS} | {"keys_unique"} == set(AUDITS)


def test_a_policy_within_the_interval_of_the_incumbent_passes(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE evaluations SET kind = 'transferred' WHERE policy = 'hsrl'; " + INCUMBENT)
    world.execute("UPDATE evaluations SET ci_low = 4.1 WHERE policy = 'incumbent'")
    assert offenders(world, "policy_not_worse") == []


def test_the_gates_own_figure_decides_and_not_a_single_family(world: duckdb.DuckDBPyConnection) -> None:
    """In the panel the incumbent is better in the simulator s1; in s1 and s2 together it is not, and then it is."""
    world.execute("UPDATE evaluations SET kind = 'panel' WHERE policy = 'hsrl'; " + INCUMBENT)
    both = "INSERT INTO evaluations SELECT * REPLACE ('s1+s2' AS simulator_id, 4 AS total_reward, 3.8 AS ci_low, 4.2 AS ci_high) "
    world.execute(both + "FROM evaluations WHERE simulator_id = 's1' AND policy IN ('hsrl', 'incumbent')")
    assert offenders(world, "policy_not_worse") == []
    world.execute("UPDATE evaluations SET ci_low = 4.3 WHERE policy = 'incumbent' AND simulator_id = 's1+s2'")
    assert [offender["simulator_id"] for offender in offenders(world, "policy_not_worse")] == ["s1+s2"]


TWO_MOVED = "UPDATE sid_history SET tokens = [1, 1], sid = '1-1' WHERE item_id = 12"
# What codes centred anew, and what a rebuild, would make of the open rows.
OTHER_CODES = (
    "INSERT INTO codebooks SELECT * REPLACE ('d' AS codebook_id, '{numbering}' AS numbering_id) FROM codebooks; "
    "UPDATE sid_history SET codebook_id = 'd' WHERE valid_to IS NULL AND item_id <> 11; UPDATE sid_history SET tokens = [0, 1] WHERE item_id = 11"
)


@pytest.mark.parametrize(
    ("budget", "n_allowed"), [("{}", 1), ('{"sids": {"churn_budget": 0.6}}', 1), ('{"sids": {"churn_budget": 0.7}}', 2)]
)
def test_the_churn_budget_is_the_share_that_the_configuration_allows_and_one_item_at_least(
    world: duckdb.DuckDBPyConnection, budget: str, n_allowed: int
) -> None:
    """Two of three items moved: 0.6 · 3 = 1.8 allows one, 0.7 · 3 = 2.1 allows both."""
    world.execute("UPDATE releases SET config = ? WHERE release_id = 2", [budget])
    assert offenders(world, "churn_budget") == []
    world.execute(TWO_MOVED)
    found = offenders(world, "churn_budget")
    assert [(offender["n_items"], offender["n_moved"], offender["n_allowed"]) for offender in found] == (
        [(3, 2, 1)] if n_allowed == 1 else []
    )


@pytest.mark.parametrize("kind", ["refresh", "retrain", "rebuild", "rollback"])
def test_the_churn_budget_binds_nights_and_not_what_someone_asked_for(world: duckdb.DuckDBPyConnection, kind: str) -> None:
    """Item 11 moved: one is allowed to a refresh, none to a retrain. Then item 12 does too."""
    world.execute("UPDATE releases SET kind = ? WHERE release_id = 2", [kind])
    assert [offender["n_moved"] for offender in offenders(world, "churn_budget")] == ([1] if kind == "retrain" else [])
    world.execute(TWO_MOVED)
    assert [offender["n_moved"] for offender in offenders(world, "churn_budget")] == (
        [2] if kind in ("refresh", "retrain") else []
    )


@pytest.mark.parametrize(("numbering", "kind", "n_moved"), [("c", "refresh", []), ("d", "refresh", [2]), ("d", "rebuild", [])])
def test_the_churn_budget_sees_across_a_change_of_codes(
    world: duckdb.DuckDBPyConnection, numbering: str, kind: str, n_moved: list[int]
) -> None:
    """Codes centred anew keep their numbers, and so tokens their meaning; under another numbering the same tokens mean other items."""
    world.execute("UPDATE releases SET kind = ? WHERE release_id = 2", [kind])
    world.execute(OTHER_CODES.format(numbering=numbering))
    assert [offender["n_moved"] for offender in offenders(world, "churn_budget")] == n_moved


@pytest.mark.parametrize(("guard_rails", "severity"), [("block", "block"), ("warn", "warn"), ("off", None)])
def test_a_level_of_no_use_is_what_the_setting_makes_of_it(
    world: duckdb.DuckDBPyConnection, guard_rails: str, severity: str | None
) -> None:
    """100 of 108 items in one of nine codes; a broken numbering is refused whatever the setting."""
    world.execute("UPDATE releases SET config = ?", [json.dumps({"sids": {"guard_rails": guard_rails}})])
    world.execute("INSERT INTO codebooks SELECT 'd', 'd', 'e', 1, i, [i], if(i = 0, 100, 1), 1 FROM range(9) AS t (i)")
    audit = read_statement(SQL_ROOT / "audits" / "codebook_guard_rails.sql")
    [finding] = run_audits(world, [audit])
    assert (finding.severity if finding.n_offenders else None) == severity
    world.execute("UPDATE codebooks SET code = 5 WHERE code = 1")
    assert run_audits(world, [audit])[0].is_blocking


def test_copies_of_one_vector_may_share_a_code(world: duckdb.DuckDBPyConnection) -> None:
    """Of 109 items 101 are copies: 100 in one code say nothing of the level. Codebooks of earlier nights are not judged again."""
    world.execute("INSERT INTO embeddings SELECT 'e', 100 + i, [5, 5], true FROM range(101) AS t (i)")
    world.execute("INSERT INTO codebooks SELECT 'd', 'd', 'e', 1, i, [i], if(i = 0, 100, 1), 1 FROM range(9) AS t (i)")
    assert offenders(world, "codebook_guard_rails") == []
    world.execute("DELETE FROM embeddings WHERE item_id >= 100")
    assert offenders(world, "codebook_guard_rails") != []
    world.execute("INSERT INTO previous.codebooks FROM codebooks WHERE codebook_id = 'd'")
    assert offenders(world, "codebook_guard_rails") == []


@pytest.mark.parametrize(("guard", "value", "severity"), [("block", 0.2, "warn"), ("warn", 0.3, "warn"), ("off", 0.3, None)])
def test_vectors_warn_before_they_block_and_as_the_setting_says(
    world: duckdb.DuckDBPyConnection, guard: str, value: float, severity: str | None
) -> None:
    audit = read_statement(SQL_ROOT / "audits" / "vectors_as_before.sql")
    world.execute(GUARDED + RIGHT)
    assert run_audits(world, [audit])[0].n_offenders == 0
    world.execute(STRAYED.format("strayed_share", value))
    world.execute('UPDATE releases SET config = replace(config, \'"vector_guard": "block"\', ?)', [f'"vector_guard": "{guard}"'])
    [finding] = run_audits(world, [audit])
    assert (finding.severity if finding.n_offenders else None) == severity
    world.execute("UPDATE releases SET kind = 'rebuild'")
    assert run_audits(world, [audit])[0].n_offenders == 0


def test_codes_that_erode_a_little_every_night_are_seen_after_weeks(world: duckdb.DuckDBPyConnection) -> None:
    """From .80 by .01 a night: the limit of .10 is passed by the eleventh, where the last release is only .01 better."""
    world.execute(GUARDED + RIGHT)
    world.execute(EXPLAINED.format(", ".join(f"({2 - n}, 'c', {0.7 + n / 100})" for n in range(11))))
    assert offenders(world, "codes_eroded") == []
    world.execute("UPDATE sid_metrics SET release_id = release_id - 1 WHERE metric = 'explained_variance'")
    world.execute(EXPLAINED.format("(2, 'c', 0.69)"))
    assert offenders(world, "vectors_as_before") == []
    [found] = offenders(world, "codes_eroded")
    assert found["finding"].startswith(
        "the codes explain 0.69 of the vectors' variance; in release -9, which learned them, 0.80;"
    )


@pytest.mark.parametrize(
    ("before", "tonight", "is_said"),
    [
        ("(1, 'c', 0.69)", 0.65, False),  # it was said last night
        ("(-2, 'c', 0.69), (1, 'c', 0.71)", 0.69, False),  # up and down at the limit
        ("(1, 'c', 0.65)", 0.59, True),  # twice the limit
        ("(-8, 'c', 0.1), " + ", ".join(f"({n}, 'c', 0.72)" for n in range(-5, 2)), 0.69, True),  # a bad night, a week ago
    ],
)
def test_erosion_is_said_once_for_each_tenth(
    world: duckdb.DuckDBPyConnection, before: str, tonight: float, is_said: bool
) -> None:
    """A notice every night is one that nobody reads."""
    world.execute(GUARDED + RIGHT + EXPLAINED.format(f"(-9, 'c', 0.8), {before}, (2, 'c', {tonight})"))
    assert bool(offenders(world, "codes_eroded")) == is_said


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        ("UPDATE codebooks SET codebook_id = 'd' WHERE level = 1", True),  # centred anew tonight: the codes of c by number
        ("UPDATE codebooks SET codebook_id = 'd', numbering_id = 'd' WHERE level = 1", False),  # other codes
        ("UPDATE releases SET kind = 'rebuild'", False),
        ('UPDATE releases SET config = replace(config, \'"vector_guard": "block"\', \'"vector_guard": "off"\')', False),
    ],
)
def test_codes_are_compared_with_the_release_that_gave_them_their_numbers(
    world: duckdb.DuckDBPyConnection, change: str, is_seen: bool
) -> None:
    world.execute(GUARDED + RIGHT + EXPLAINED.format("(1, 'c', 0.8), (2, 'd', 0.65)") + "; " + change)
    assert bool(offenders(world, "codes_eroded")) == is_seen


def test_vectors_of_the_likes_alone_outgrow_their_codes_with_a_warning(world: duckdb.DuckDBPyConnection) -> None:
    """Nobody brought these vectors: on a young log they move with every honest night, and no file could be mended."""
    audit = read_statement(SQL_ROOT / "audits" / "vectors_as_before.sql")
    world.execute(GUARDED + RIGHT + STRAYED.format("explained_drop", 0.3))
    world.execute("UPDATE releases SET config = replace(config, '\"external\"', '\"cooccurrence\"')")
    [finding] = run_audits(world, [audit])
    assert (finding.severity, finding.n_offenders) == ("warn", 1)
    assert "hsrl refresh --rebuild" in str(finding.examples) and "mend" not in str(finding.examples)
    world.execute('UPDATE releases SET config = replace(config, \'["cooccurrence"]\', \'["cooccurrence", "external"]\')')
    assert run_audits(world, [audit])[0].severity == "block"


def test_who_waits_and_is_listed_passes_and_so_do_releases_that_ask_nobody(world: duckdb.DuckDBPyConnection) -> None:
    """Item 11 holds 0-0 at a distance of 1, and 0-1 would be its own; between two codes, at ½, nothing is said of item 12."""
    world.execute(ASKED + "UPDATE embeddings SET vector = [0.5, 0.01] WHERE item_id = 12")
    assert offenders(world, "nobody_waits_unseen") == []
    world.execute("DELETE FROM sid_waiting; UPDATE releases SET kind = 'rollback' WHERE release_id = 2")
    assert offenders(world, "nobody_waits_unseen") == []


def test_newcomers_of_the_last_night_may_move_beside_the_budget(world: duckdb.DuckDBPyConnection) -> None:
    """Item 12 came in the last refresh, 1, and moves tonight beside item 11, who may; had the numbering begun then, it might not."""
    world.execute(TWO_MOVED)
    world.execute("INSERT INTO previous.releases FROM releases WHERE release_id = 1")
    assert offenders(world, "churn_budget") != []
    world.execute("UPDATE previous.sid_history SET valid_from = 0 WHERE item_id = 10")
    assert offenders(world, "churn_budget") == []
    world.execute(
        "INSERT INTO previous.sid_history SELECT * REPLACE (0 AS valid_from, 1 AS valid_to) FROM previous.sid_history WHERE item_id > 10"
    )
    assert [offender["n_moved"] for offender in offenders(world, "churn_budget")] == [2]


def test_faults_of_earlier_releases_do_not_block_tonight(world: duckdb.DuckDBPyConnection) -> None:
    """An audit of what one night brought reads that night's rows: i1 was night 1's."""
    world.execute(
        "UPDATE ingests SET n_rows = 9 WHERE ingest_id = 'i1'; UPDATE record_rows SET history = [99] WHERE ingest_id = 'i1'"
    )
    assert offenders(world, "ingest_conservation") == offenders(world, "history_before_slate") == []

"""What a night leaves in Prefect, from reports that can be checked by eye."""

from flows.nights.artifacts import evaluation_table, page, run_name, run_tags

REFRESH = {
    "status": "published",
    "run_id": "r1",
    "release_id": 7,
    "deliveries": ["2026-01-02"],
    "n_rows": 1200,
    "n_accepted": 1190,
    "n_rejected": 10,
    "rejected": {"bad | time": 10},
    "warnings": ["delivery_drift: half the rows"],
    "codebook_id": "c1",
    "tokenizer": {"mode": "appended", "why": ["few new items"]},
    "sid_changes": {"kept": 5, "new": 2},
    "sid_metrics": {"n_sids": 7.0, "excess_collisions": 0.123456},
    "used_codes_share": [1.0, 0.5],
    "seconds": {"splits": 0.1},
}
RETRAIN = {
    "status": "policy refused",
    "run_id": "r2",
    "release_id": 8,
    "learned_from_release": 7,
    "policy_id": "p1",
    "gate": "-0.500 beside the incumbent",
    "evaluation": [
        {"policy": "hsrl", "kind": "panel", "seed": 1, "total_reward": 5.08123, "by_family": {"trees": 6.72, "sets": None}}
    ],
    "real_answers": [
        {"policy": "hsrl", "policy_id": "p1", "auc": 0.76543},
        {"policy": "popularity", "policy_id": None, "auc": 0.5, "ndcg": 0.1},
    ],
}


def test_the_page_of_a_refresh_has_counts_churn_and_warnings() -> None:
    lines = page("daily-refresh", REFRESH).splitlines()
    assert lines[0] == "# daily-refresh: published" and "Release **7**, run `r1`." in lines
    assert "- delivery_drift: half the rows" in lines
    assert "| n_rows | 1,200 |" in lines and "| kept | 5 |" in lines and "| tokenizer | appended: few new items |" in lines
    assert "| codes used by level | 100%, 50% |" in lines and "| excess_collisions | 0.1235 |" in lines
    assert "| rejected: bad \\| time | 10 |" in lines, "text of a log may not add a column"
    assert "## Gate" not in lines


def test_the_page_of_a_retrain_has_the_gate_and_peoples_answers() -> None:
    lines = page("nightly-retrain", RETRAIN).splitlines()
    assert "Policy `p1`: -0.500 beside the incumbent" in lines and "It learned from release 7." in lines
    assert "| hsrl | 0.7654 |  |" in lines and "| popularity | 0.5 | 0.1 |" in lines
    assert "## Rows" not in lines and "## Warnings" not in lines


def test_a_night_without_news_is_a_page_too() -> None:
    assert page("gc", {"status": "nothing new", "run_id": "r", "release_id": None}) == "# gc: nothing new\n"


def test_the_table_of_the_evaluation_has_a_row_a_policy_and_a_column_a_family() -> None:
    assert evaluation_table(RETRAIN) == [
        {"policy": "hsrl", "kind": "panel", "seed": 1, "total_reward": 5.0812, "with trees": 6.72, "with sets": None}
    ]
    assert evaluation_table(REFRESH) == []


def test_a_run_is_named_by_day_and_release_and_tagged_by_how_it_ended() -> None:
    assert run_name("2026-01-03", REFRESH) == "2026-01-03 release 7"
    assert run_name("2026-01-03", {"status": "nothing new", "release_id": None}) == "2026-01-03 nothing new"
    assert run_tags(REFRESH) == ["published", "release:7", "warned"]
    assert run_tags({"status": "nothing new"}) == ["nothing-new"]

"""Worlds that a morning page is drawn of: sixty nights that are only rows, and a refused night."""

from pathlib import Path

import polars as pl
import pytest

from flows.refresh.feed import write_missing_days
from pipeline.errors import AuditError
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World

NIGHTS = 64
HOSTILE = "<script>alert(1)</script>"

# Night n brings 1,000 + n rows, n % 4 of them into quarantine, and one new item; the first brings ten. Every eighth night a policy of
# reward 2 + n / 100 in two families is judged in panels of one simulator each. Night 30 fails, night 40 is killed, and so
# is a gc. From night 20 on a later version runs. Of the last night's rows 7 came late.
_ROWS = f"""
INSERT INTO releases BY NAME
SELECT n AS release_id, 'r' || n AS run_id, 'refresh' AS kind, nullif(n - 1, 0) AS parent_id, if(n < 20, '0.2', '0.3') AS code_version, '{{{{}}}}' AS config,
    7 AS seed, [] AS inputs, '2026-01-01 02:10:00+00'::TIMESTAMPTZ + to_days(n::INTEGER) AS created_at
FROM range(1, {NIGHTS + 1}) AS nights (n);
INSERT INTO runs BY NAME
SELECT 'r' || n AS run_id, 'daily-refresh' AS flow, 'completed' AS status, '0.2' AS code_version, '{{{{}}}}' AS config, n AS release_id,
    '2026-01-01 02:00:00+00'::TIMESTAMPTZ + to_days(n::INTEGER) AS started_at, started_at + INTERVAL 10 MINUTE AS finished_at,
    '{{{{"ingest": ' || n || ', "publish": 2.5}}}}' AS stage_seconds, 100 + n AS cpu_seconds, 500 AS peak_memory_mb
FROM range(1, {NIGHTS + 1}) AS nights (n);
INSERT INTO runs BY NAME
SELECT 'x' || n AS run_id, 'daily-refresh' AS flow, if(n = 30, 'failed', 'killed') AS status, '0.2' AS code_version, '{{{{}}}}' AS config,
    '2026-01-01 01:00:00+00'::TIMESTAMPTZ + to_days(n::INTEGER) AS started_at, if(n = 30, 'no space left', NULL) AS message
FROM (VALUES (30), (40)) AS nights (n);
INSERT INTO runs BY NAME
SELECT 'gc' AS run_id, 'gc' AS flow, 'killed' AS status, '0.2' AS code_version, '{{{{}}}}' AS config,
    '2026-03-04 12:00:00+00'::TIMESTAMPTZ AS started_at;
INSERT INTO ingests BY NAME
SELECT 'i' || n AS ingest_id, 'shop' AS source, 'day ' || n AS delivery_id, n - 1 AS sequence, 1000 + n AS n_rows, 1000 + n - n % 4 AS n_accepted,
    n % 4 AS n_rejected, 0 AS n_known, if(n = 64, 7, 0) AS n_late, [] AS replaces, 300 AS n_positives, 50 AS n_users, if(n = 1, 50, 0) AS n_new_users, 20 AS n_items,
    if(n = 1, 10, 1) AS n_new_items, n AS release_id
FROM range(1, {NIGHTS + 1}) AS nights (n);
INSERT INTO quarantine BY NAME
SELECT 'r' || n AS run_id, 'i' || n AS ingest_id, 'day' || n || '.csv' AS file, line AS line, '{HOSTILE}' AS raw, 'item {HOSTILE} is no number' AS reason
FROM range(1, {NIGHTS + 1}) AS nights (n), range(1, 4) AS lines (line)
WHERE line <= n % 4;
INSERT INTO sid_history BY NAME
SELECT n AS item_id, 'c' AS codebook_id, [0]::USMALLINT[] AS tokens, '0' AS sid, 0 AS sid_key, 0 AS slot, n AS valid_from, 'greedy' AS assigned_by,
    'new' AS reason, 0 AS recon_error, false AS is_ood
FROM range(1, {NIGHTS + 1}) AS nights (n);
INSERT INTO sid_metrics BY NAME
SELECT n AS release_id, 'c' AS codebook_id, 0 AS level, metric, value
FROM range(1, {NIGHTS + 1}) AS nights (n),
    (VALUES ('n_items', 10.0), ('n_sids', 8.0), ('shared_items', 4.0), ('excess_collisions', 2.0), ('largest_bucket', 2.0), ('n_without', 1.0)) AS m (metric, value);
INSERT INTO policies BY NAME
SELECT 'p' || n AS policy_id, 'hsrl' AS method, 'calibrated' AS preset, 1 AS seed, 'c' AS codebook_id, ['s1'] AS simulator_ids, 10 AS n_iterations,
    1.5 AS cpu_seconds, 'p' || n AS artifact_id, '{{{{}}}}' AS config, n = {NIGHTS} AS is_published, n AS release_id
FROM range(8, {NIGHTS + 1}, 8) AS nights (n);
INSERT INTO evaluations BY NAME
SELECT n AS release_id, policy, policy_id, simulator_id, family, kind, 'calibrated' AS preset, 'never' AS repeats, 2 AS slate_size, 0.1 AS cost,
    20 AS temper0, 20 AS max_steps, 1 AS seed, 100 AS n_sessions, reward AS total_reward, 1 AS total_reward_sd, reward - 0.25 AS ci_low,
    reward + 0.25 AS ci_high, 10 AS depth, 0.2 AS user_reward_variance, 3 AS distinct_items, 0.1 AS gini, 0.25 AS unsupported_share, 22 AS temper_law
FROM (
    SELECT n, 'hsrl' AS policy, 'p' || n AS policy_id, simulator_id, family, kind, 2 + n / 100 + shift AS reward
    FROM range(8, {NIGHTS + 1}, 8) AS nights (n),
        (VALUES ('s1', 'latent', 'own', 1), ('t1', 'latent', 'transferred', 0.5), ('a1', 'attention', 'panel', 0.1),
            ('b1', 'trees', 'panel', -0.1), ('a1+b1', 'attention+trees', 'panel', 0)) AS judges (simulator_id, family, kind, shift)
    UNION ALL
    SELECT n, 'random', NULL, simulator_id, family, 'reference', 0.5
    FROM range(8, {NIGHTS + 1}, 8) AS nights (n),
        (VALUES ('t1', 'latent'), ('a1', 'attention'), ('b1', 'trees'), ('a1+b1', 'attention+trees')) AS judges (simulator_id, family)
);
INSERT INTO artifacts BY NAME
SELECT 'a' || n AS artifact_id, if(n % 2 = 0, 'events', 'user_state') AS kind, 'data/' || n AS path, 1000 AS rows, 1000000 AS bytes, 'aa' AS sha256,
    [] AS inputs, 'r' || n AS run_id, n AS release_id, now() AS created_at
FROM range(1, {NIGHTS + 1}) AS nights (n);
""".replace("{{", "{").replace("}}", "}")


@pytest.fixture(scope="session")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of 64 nights that are only rows of its ledgers; not to be written."""
    root = tmp_path_factory.mktemp("sixty") / "warehouse"
    with Warehouse.create_or_open(root) as warehouse, warehouse.transaction("nights", {}):
        for sql in _ROWS.split(";\n"):
            if sql.strip():
                warehouse.connection.execute(sql)
    return root


@pytest.fixture(scope="session")
def refused(retrained: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world after a fourth day in which nobody liked anything, which an audit refused; not to be written."""
    world = retrained.copy(tmp_path_factory.mktemp("refused"))
    settings = world.changed(("days = 3", "days = 4"))
    write_missing_days(settings.source)
    spoilt = max(Path(settings.source.path).glob("events-*.parquet"))
    pl.read_parquet(spoilt).with_columns(clicked=pl.lit(value=False)).write_parquet(spoilt)
    with pytest.raises(AuditError):
        world.refresh(settings)
    return world

-- audit: ingest_conservation
-- severity: block
-- reads: ingests, events, releases
-- doc: Of every delivery of this release, rows read = accepted + rejected + known, and the accepted ones are among the events (columns are read, not the files' row counts; ids reach 63 bits, so their sum is one of doubles).
WITH fresh AS (
    SELECT ingest_id, n_rows, n_accepted, n_rejected, n_known
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

stored AS (
    SELECT ingest_id, count(user_id::DOUBLE + item_id::DOUBLE + user_seq::DOUBLE + feedback) AS n_events
    FROM events
    WHERE ingest_id IN (SELECT ingest_id FROM fresh)
    GROUP BY ingest_id
)

SELECT fresh.*, coalesce(stored.n_events, 0) AS n_events
FROM fresh
LEFT JOIN stored ON stored.ingest_id = fresh.ingest_id
WHERE fresh.n_rows <> fresh.n_accepted + fresh.n_rejected + fresh.n_known OR fresh.n_accepted <> coalesce(stored.n_events, 0);

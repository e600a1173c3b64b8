-- audit: rebuilt_keeps_events
-- severity: block
-- reads: events, rebuilt_users, forgotten, ingests, releases, previous.events
-- doc: Users whose events this release laid out anew have every event that they had, but for those of corrected deliveries and of forgotten items: as many of each delivery, of the same items, times and answers (hashes of the columns, summed).
WITH rebuilt AS (
    SELECT user_id
    FROM rebuilt_users
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

fresh AS (
    SELECT ingest_id, replaces
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

corrected AS (
    SELECT unnest(replaces) AS ingest_id
    FROM fresh
),

forgotten_items AS (
    SELECT item_id
    FROM (SELECT DISTINCT item_id FROM previous.main.events WHERE user_id IN (FROM rebuilt))
    WHERE sha256('item:' || item_id) IN (SELECT id_sha256 FROM forgotten)
),

had AS (
    SELECT user_id, ingest_id, count(item_id) AS n, sum(hash(item_id, occurred_at, feedback, behavior, request_id)) AS content
    FROM previous.main.events
    WHERE
        user_id IN (FROM rebuilt)
        AND ingest_id NOT IN (FROM corrected)
        AND item_id NOT IN (FROM forgotten_items)
    GROUP BY user_id, ingest_id
),

has AS (
    SELECT user_id, ingest_id, count(item_id) AS n, sum(hash(item_id, occurred_at, feedback, behavior, request_id)) AS content
    FROM events
    WHERE user_id IN (FROM rebuilt) AND ingest_id NOT IN (SELECT ingest_id FROM fresh)
    GROUP BY user_id, ingest_id
)

SELECT
    coalesce(had.user_id, has.user_id) AS user_id,
    coalesce(had.ingest_id, has.ingest_id) AS ingest_id,
    coalesce(had.n, 0) AS n_before,
    coalesce(has.n, 0) AS n_now
FROM had
FULL JOIN has ON had.user_id = has.user_id AND had.ingest_id = has.ingest_id
WHERE had.n IS DISTINCT FROM has.n OR had.content IS DISTINCT FROM has.content;

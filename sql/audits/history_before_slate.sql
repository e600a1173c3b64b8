-- audit: history_before_slate
-- severity: block
-- reads: record_rows, events, ingests, rebuilt_users, releases
-- doc: A record's history holds only items that the user liked before the slate began. Checked on the 500 records of this release with the lowest hash, by columns; an item shown again later can hide a leak, never feign one.
WITH fresh AS (
    SELECT ingest_id
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

rebuilt AS (
    SELECT user_id
    FROM rebuilt_users
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

arrived AS (
    SELECT record_id, user_id, exposed_items[1] AS first_item, history
    FROM record_rows
    WHERE ingest_id IN (FROM fresh)
    UNION ALL -- so that files of earlier releases are left out by their statistics where nobody is rebuilt
    SELECT record_id, user_id, exposed_items[1], history
    FROM record_rows
    WHERE user_id IN (FROM rebuilt) AND ingest_id NOT IN (FROM fresh)
),

sample AS (
    SELECT record_id, user_id, first_item, history
    FROM arrived
    ORDER BY hash(record_id), record_id
    LIMIT 500
),

user_events AS (
    SELECT user_id, item_id, user_seq, feedback
    FROM events
    WHERE user_id IN (SELECT user_id FROM sample)
),

begins AS (
    SELECT sample.record_id, max(user_events.user_seq) AS latest_begin
    FROM sample
    INNER JOIN user_events ON user_events.user_id = sample.user_id AND user_events.item_id = sample.first_item
    GROUP BY sample.record_id
),

claimed AS (
    SELECT DISTINCT record_id, user_id, unnest(history) AS item_id
    FROM sample
)

SELECT claimed.record_id, claimed.item_id
FROM claimed
LEFT JOIN begins ON begins.record_id = claimed.record_id
ANTI JOIN user_events
    ON user_events.user_id = claimed.user_id
    AND user_events.item_id = claimed.item_id
    AND user_events.feedback = 1
    AND user_events.user_seq < begins.latest_begin;

-- audit: events_unique
-- severity: block
-- reads: events, ingests, releases
-- doc: No two events of a user have the same user_seq, and the events of this release come after those the warehouse had.
WITH fresh AS (
    SELECT ingest_id
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

spans AS (
    SELECT
        user_id,
        min(user_seq) FILTER (ingest_id IN (FROM fresh)) AS first_new,
        max(user_seq) FILTER (ingest_id NOT IN (FROM fresh)) AS last_old
    FROM events
    GROUP BY user_id
)

SELECT user_id, user_seq, 'repeated' AS fault, count(*) AS n
FROM events
WHERE ingest_id IN (FROM fresh)
GROUP BY user_id, user_seq
HAVING count(*) > 1
UNION ALL
SELECT user_id, first_new, 'not after the events the warehouse had', 1
FROM spans
WHERE first_new <= last_old;

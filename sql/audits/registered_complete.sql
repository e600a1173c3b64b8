-- audit: registered_complete
-- severity: block
-- reads: events, record_rows, embeddings, ingests, releases
-- doc: Registered files have no empty required field (registering lets NULL into NOT NULL; sums read the columns, which IS NULL alone does not, and ids reach 63 bits, so sums of doubles), whole slates and finite vectors of one width. Rows of earlier releases are not read: files whose ingest_id is none of tonight's are left out by their statistics, and a row that belongs to no ingest is missed by the audits that count, too.
WITH fresh AS (
    SELECT ingest_id
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
)

SELECT 'events' AS table_name, row(user_id, user_seq)::VARCHAR AS key
FROM events
WHERE
    ingest_id IN (FROM fresh)
    AND (user_id::DOUBLE + item_id::DOUBLE + user_seq::DOUBLE + feedback IS NULL OR source IS NULL OR feedback > 1)
UNION ALL
SELECT 'events', row(user_id, user_seq)::VARCHAR
FROM events
WHERE ingest_id IS NULL
UNION ALL
SELECT 'record_rows', record_id
FROM record_rows
WHERE
    ingest_id IN (FROM fresh)
    AND (
        user_id::DOUBLE + record_index::DOUBLE + sequence_id::DOUBLE IS NULL
        OR record_id IS DISTINCT FROM user_id || '-' || record_index
        OR len(exposed_items) IS DISTINCT FROM len(feedback)
        OR len(exposed_items) = 0
        OR history IS NULL
    )
UNION ALL
SELECT 'record_rows', record_id
FROM record_rows
WHERE ingest_id IS NULL
UNION ALL
SELECT 'embeddings', row(embedding_id, item_id)::VARCHAR
FROM embeddings
WHERE
    embedding_id IS NULL
    OR item_id IS NULL
    OR has_signal IS NULL
    OR NOT coalesce(isfinite(list_sum(vector)), false)
UNION ALL
SELECT 'embeddings', embedding_id || ' has vectors of ' || min(len(vector)) || ' to ' || max(len(vector))
FROM embeddings
GROUP BY embedding_id
HAVING min(len(vector)) <> max(len(vector));

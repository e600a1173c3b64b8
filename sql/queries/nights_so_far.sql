-- query: nights_so_far
-- reads: ingests, ingest_files, runs
-- doc: Rows, bytes, deliveries and seconds of the last $most nights that took rows in, the latest first.
WITH
taken AS (
    SELECT release_id, sum(n_rows)::BIGINT AS n_rows, count(ingest_id) AS n_deliveries
    FROM ingests
    GROUP BY release_id
),

weighed AS (
    SELECT release_id, sum(bytes)::BIGINT AS bytes
    FROM ingests
    JOIN ingest_files USING (ingest_id)
    GROUP BY release_id
)

SELECT n_rows, bytes, n_deliveries, epoch(finished_at - started_at) AS seconds
FROM taken
JOIN weighed USING (release_id)
JOIN runs USING (release_id)
WHERE finished_at IS NOT NULL AND n_rows > 0 AND bytes > 0
ORDER BY release_id DESC
LIMIT $most;

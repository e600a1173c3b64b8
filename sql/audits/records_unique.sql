-- audit: records_unique
-- severity: block
-- reads: record_rows, splits, ingests, releases
-- doc: Each user's records are numbered 0, 1, 2 … without gap or repetition, as many as the splits say.
WITH counted AS (
    SELECT
        user_id,
        count(record_index) AS n_rows,
        count(DISTINCT record_index) AS n_different,
        max(record_index) + 1 AS n_expected
    FROM record_rows
    GROUP BY user_id
)

SELECT coalesce(counted.user_id, splits.user_id) AS user_id, counted.n_rows, counted.n_different, splits.n_records
FROM counted
FULL JOIN splits ON splits.user_id = counted.user_id
WHERE
    coalesce(counted.n_rows, 0) IS DISTINCT FROM splits.n_records
    OR counted.n_rows <> counted.n_different
    OR counted.n_rows <> counted.n_expected;

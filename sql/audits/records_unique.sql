-- audit: records_unique
-- severity: block
-- reads: record_rows, splits, ingests, rebuilt_users, forgotten, releases, previous.splits
-- doc: Each user's records are numbered 0, 1, 2 … without gap or repetition, as many as the splits say. By induction: those of this release go on where the splits of the last one stopped, or begin at 0 for the users whom it laid out anew, whoever has none is as before, and the forgotten have none left.
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
    SELECT user_id, record_index
    FROM record_rows
    WHERE ingest_id IN (FROM fresh)
    UNION ALL -- so that files of earlier releases are left out by their statistics where nobody is rebuilt
    SELECT user_id, record_index
    FROM record_rows
    WHERE user_id IN (FROM rebuilt) AND ingest_id NOT IN (FROM fresh)
),

counted AS (
    SELECT
        user_id,
        count(record_index) AS n_rows,
        count(DISTINCT record_index) AS n_different,
        min(record_index) AS first_index,
        max(record_index) AS last_index
    FROM arrived
    GROUP BY user_id
),

users_told AS (
    SELECT
        coalesce(now.user_id, before.user_id) AS user_id,
        now.user_id IS NULL AS is_gone,
        now.n_records,
        if(coalesce(now.user_id, before.user_id) IN (FROM rebuilt), 0, coalesce(before.n_records, 0)) AS n_before
    FROM splits AS now
    FULL JOIN previous.main.splits AS before ON before.user_id = now.user_id
)

SELECT
    coalesce(users_told.user_id, counted.user_id) AS user_id,
    users_told.n_before,
    counted.n_rows,
    counted.n_different,
    counted.first_index,
    users_told.n_records
FROM users_told
FULL JOIN counted ON counted.user_id = users_told.user_id
WHERE
    (
        coalesce(users_told.n_records, 0) IS DISTINCT FROM users_told.n_before + coalesce(counted.n_rows, 0)
        OR counted.n_rows <> counted.n_different
        OR counted.first_index <> users_told.n_before
        OR counted.last_index <> users_told.n_records - 1
    )
    AND (NOT coalesce(users_told.is_gone, false) OR sha256('user:' || users_told.user_id) NOT IN (SELECT id_sha256 FROM forgotten));

-- query: report_churn
-- reads: sid_churn
-- doc: What each release from $since on changed in the Semantic IDs, all codebooks together.
SELECT
    release_id,
    sum(n_new)::BIGINT AS n_new,
    sum(n_moved)::BIGINT AS n_moved,
    sum(n_returned)::BIGINT AS n_returned,
    sum(n_rebuilt)::BIGINT AS n_rebuilt,
    sum(n_carried)::BIGINT AS n_carried,
    sum(n_closed)::BIGINT AS n_closed,
    sum(n_rolled_back)::BIGINT AS n_rolled_back
FROM sid_churn
WHERE release_id >= $since
GROUP BY release_id
ORDER BY release_id;

-- query: report_sids
-- reads: sid_metrics
-- doc: Figures of the Semantic IDs of each release from $since on, of all levels together; of the largest codebook where there are several.
SELECT
    release_id,
    max(value) FILTER (metric = 'n_items')::BIGINT AS n_items,
    max(value) FILTER (metric = 'n_sids')::BIGINT AS n_sids,
    max(value) FILTER (metric = 'shared_items')::BIGINT AS shared_items,
    max(value) FILTER (metric = 'excess_collisions')::BIGINT AS excess_collisions,
    max(value) FILTER (metric = 'largest_bucket')::BIGINT AS largest_bucket,
    max(value) FILTER (metric = 'n_without')::BIGINT AS n_without,
    max(value) FILTER (metric = 'explained_variance') AS explained_variance,
    max(value) FILTER (metric = 'kept_share') AS kept_share
FROM sid_metrics
WHERE release_id >= $since AND level = 0
GROUP BY release_id, codebook_id
QUALIFY row_number() OVER (PARTITION BY release_id ORDER BY n_items DESC, codebook_id) = 1
ORDER BY release_id;

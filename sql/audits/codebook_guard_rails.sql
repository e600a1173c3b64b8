-- audit: codebook_guard_rails
-- severity: block
-- reads: codebooks
-- doc: Every codebook has levels 1, 2 … of codes 0, 1, 2 … with finite centroids of one width; at least 95 % of a level's codes were used by the items it was learned on, none by more than 90 % of them where there are eight or more, and no two are the same point. A suffix, a level of zeros, only tells items apart; codes centred anew by a refresh may have lost their items.
WITH levels AS (
    SELECT
        codebook_id,
        level,
        count(*) AS n_codes,
        max(code) + 1 AS n_expected,
        count(*) FILTER (n_items > 0) AS n_used,
        max(n_items) / greatest(sum(n_items), 1) AS largest_share,
        count(DISTINCT centroid) AS n_points,
        min(len(centroid)) AS narrowest,
        max(len(centroid)) AS widest,
        bool_and(coalesce(isfinite(list_sum(centroid)), false)) AS is_finite,
        level > 1 AND bool_and(list_max(centroid) = 0 AND list_min(centroid) = 0) AS is_suffix,
        bool_and(codebook_id = numbering_id) AS is_learned
    FROM codebooks
    GROUP BY codebook_id, level
)

SELECT
    *,
    CASE
        WHEN n_codes <> n_expected THEN 'codes are not numbered 0, 1, 2 …'
        WHEN NOT is_finite OR narrowest <> widest THEN 'centroids are not finite, or of several widths'
        WHEN n_points < n_codes THEN 'two codes are the same point'
        WHEN n_used < 0.95 * n_codes THEN 'too few codes are used'
        ELSE 'one code holds nearly everything'
    END AS fault
FROM levels
WHERE
    n_codes <> n_expected
    OR NOT is_finite
    OR narrowest <> widest
    OR (NOT is_suffix AND n_points < n_codes)
    OR (NOT is_suffix AND is_learned AND n_used < 0.95 * n_codes)
    OR (NOT is_suffix AND is_learned AND n_codes >= 8 AND largest_share > 0.9)
UNION ALL
SELECT codebook_id, max(level), NULL, count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'levels are not numbered 1, 2 …'
FROM levels
GROUP BY codebook_id
HAVING max(level) <> count(*);

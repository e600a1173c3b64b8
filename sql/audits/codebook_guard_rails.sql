-- audit: codebook_guard_rails
-- severity: by row
-- reads: codebooks, embeddings, releases, previous.codebooks
-- doc: Every codebook has levels 1, 2 … of codes 0, 1, 2 … with finite centroids of one width, no two the same point. At every level of one that was learned tonight at least 95 % of the codes were used by the items, and nine tenths of the items are spread over two codes of fewer than 16, else over three, else over one code in twenty (exact copies count once): blocked, warned of or passed over as sids.guard_rails says. A suffix, a level of zeros, only tells items apart; codes centred anew by a refresh may have lost their items.
WITH tonight AS (
    SELECT coalesce(config->>'$.sids.guard_rails', 'block') AS guard_rails
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

twins AS (
    SELECT embedding_id, count(*) - count(DISTINCT vector) AS n_twins
    FROM embeddings
    WHERE
        has_signal
        AND embedding_id IN (
            SELECT embedding_id FROM codebooks WHERE codebook_id NOT IN (SELECT codebook_id FROM previous.main.codebooks)
        )
    GROUP BY embedding_id
),

-- Copies are taken to be in the largest code, which stands for at least one item; and no code has more different vectors than are left
-- when every other code that is used has one.
counted AS (
    SELECT
        codebooks.*,
        if(row_number() OVER largest_first = 1, greatest(n_items - coalesce(twins.n_twins, 0), least(n_items, 1)), n_items) AS n_without_copies,
        greatest(sum(n_items) OVER one_level - coalesce(twins.n_twins, 0) - count_if(n_items > 0) OVER one_level + 1, 1) AS n_at_most
    FROM codebooks
    LEFT JOIN twins ON twins.embedding_id = codebooks.embedding_id
    WINDOW
        one_level AS (PARTITION BY codebooks.codebook_id, codebooks.level),
        largest_first AS (PARTITION BY codebooks.codebook_id, codebooks.level ORDER BY codebooks.n_items DESC, codebooks.code)
),

different AS (
    SELECT *, least(n_without_copies, n_at_most) AS n_different
    FROM counted
),

spread AS (
    SELECT
        *,
        sum(n_different) OVER (PARTITION BY codebook_id, level ORDER BY n_different DESC, code) - n_different AS n_before,
        sum(n_different) OVER (PARTITION BY codebook_id, level) AS n_in_all
    FROM different
),

levels AS (
    SELECT
        codebook_id,
        level,
        count(*) AS n_codes,
        max(code) + 1 AS n_expected,
        count(*) FILTER (n_items > 0) AS n_used,
        count(*) FILTER (n_before < 0.9 * n_in_all) AS n_for_most,
        if(count(*) < 16, 2, greatest(3, ceil(count(*) / 20))) AS n_needed,
        count(DISTINCT centroid) AS n_points,
        min(len(centroid)) AS narrowest,
        max(len(centroid)) AS widest,
        bool_and(coalesce(isfinite(list_sum(centroid)), false)) AS is_finite,
        level > 1 AND bool_and(list_max(centroid) = 0 AND list_min(centroid) = 0) AS is_suffix,
        bool_and(codebook_id = numbering_id)
        AND codebook_id NOT IN (SELECT codebook_id FROM previous.main.codebooks) AS is_learned
    FROM spread
    GROUP BY codebook_id, level
)

SELECT
    codebook_id,
    level,
    n_codes,
    n_expected,
    n_used,
    n_for_most,
    n_needed,
    'block' AS severity,
    CASE
        WHEN n_codes <> n_expected THEN 'codes are not numbered 0, 1, 2 …'
        WHEN NOT is_finite OR narrowest <> widest THEN 'centroids are not finite, or of several widths'
        ELSE 'two codes are the same point'
    END AS fault
FROM levels
WHERE n_codes <> n_expected OR NOT is_finite OR narrowest <> widest OR (NOT is_suffix AND n_points < n_codes)
UNION ALL
SELECT
    codebook_id,
    level,
    n_codes,
    n_expected,
    n_used,
    n_for_most,
    n_needed,
    tonight.guard_rails,
    if(n_used < 0.95 * n_codes, 'too few codes are used', 'few codes hold nearly everything')
FROM levels
CROSS JOIN tonight
WHERE NOT is_suffix AND is_learned AND tonight.guard_rails <> 'off' AND (n_used < 0.95 * n_codes OR n_for_most < n_needed)
UNION ALL
SELECT codebook_id, max(level), NULL, count(*), NULL, NULL, NULL, 'block', 'levels are not numbered 1, 2 …'
FROM levels
GROUP BY codebook_id
HAVING max(level) <> count(*);

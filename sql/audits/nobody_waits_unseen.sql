-- audit: nobody_waits_unseen
-- severity: block
-- reads: sid_history, sid_waiting, codebooks, embeddings, releases
-- doc: After a refresh, an item whose Semantic ID describes it worse than sids.epsilon allows is listed in sid_waiting, under the Semantic ID it holds and since an earlier release or this one. What the item holds and what its nearest codes are is computed here anew, from vectors and centroids, for up to 2,000 items (fewer where codes are many or wide), other ones every release, so that a large catalogue is gone through within some nights; items between two codes are left out, as a last bit decides there. Under collisions = "beam" the best free Semantic ID counts, which this audit cannot tell: it looks at the list alone.
WITH RECURSIVE tonight AS (
    SELECT
        release_id,
        (config->>'$.sids.epsilon')::DOUBLE AS epsilon,
        coalesce(config->>'$.sids.collisions', '') <> 'beam' AS is_nearest_best
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases) AND kind IN ('refresh', 'rebuild')
),

open_rows AS (
    SELECT sid_history.item_id, sid_history.codebook_id, sid_history.sid, sid_history.tokens, tonight.epsilon, tonight.is_nearest_best
    FROM sid_history
    CROSS JOIN tonight
    WHERE sid_history.valid_to IS NULL
),

books AS (
    SELECT codebook_id, any_value(embedding_id) AS embedding_id, max(level) AS n_levels, (max(code) + 1) * max(len(centroid)) AS n_cells
    FROM codebooks
    WHERE codebook_id IN (SELECT codebook_id FROM open_rows)
    GROUP BY codebook_id
),

asked AS (
    SELECT open_rows.*, books.embedding_id, books.n_levels
    FROM open_rows
    INNER JOIN books ON books.codebook_id = open_rows.codebook_id
    WHERE open_rows.is_nearest_best
    QUALIFY
        row_number() OVER (ORDER BY hash(open_rows.item_id, (SELECT release_id FROM tonight)), open_rows.item_id)
        <= least(2000, 32768000 // books.n_cells)
),

-- Level by level: what the nearest codes leave over of the vector, and what the held ones do.
steps AS (
    SELECT
        asked.item_id,
        asked.codebook_id,
        asked.tokens,
        asked.n_levels,
        asked.epsilon,
        0 AS level,
        true AS is_clear,
        list_dot_product(embeddings.vector::DOUBLE[], embeddings.vector::DOUBLE[]) AS squared_length,
        embeddings.vector::DOUBLE[] AS by_nearest,
        embeddings.vector::DOUBLE[] AS by_held
    FROM asked
    INNER JOIN embeddings ON embeddings.item_id = asked.item_id AND embeddings.embedding_id = asked.embedding_id
    UNION ALL
    SELECT
        found.item_id,
        found.codebook_id,
        found.tokens,
        found.n_levels,
        found.epsilon,
        found.level + 1,
        found.is_clear
        AND coalesce(
            found.two[2].squared - found.two[1].squared
            > 1e-4 * (found.two[2].squared + list_dot_product(found.by_nearest, found.by_nearest)),
            true
        ),
        found.squared_length,
        list_transform(list_zip(found.by_nearest, nearest.centroid), lambda pair: pair[1] - pair[2]),
        list_transform(list_zip(found.by_held, held.centroid), lambda pair: pair[1] - pair[2])
    FROM (
        SELECT
            steps.*,
            -- The two nearest codes, each with its squared distance: every distance is worked out once.
            (
                SELECT
                    arg_min(
                        {'code': codes.code, 'squared': list_distance(steps.by_nearest, codes.centroid::DOUBLE[]) ** 2},
                        list_distance(steps.by_nearest, codes.centroid::DOUBLE[]),
                        2
                    )
                FROM codebooks AS codes
                WHERE codes.codebook_id = steps.codebook_id AND codes.level = steps.level + 1
            ) AS two
        FROM steps
        WHERE steps.level < steps.n_levels
    ) AS found
    INNER JOIN codebooks AS nearest
        ON nearest.codebook_id = found.codebook_id AND nearest.level = found.level + 1 AND nearest.code = found.two[1].code
    INNER JOIN codebooks AS held
        ON held.codebook_id = found.codebook_id
        AND held.level = found.level + 1
        AND held.code = list_extract(found.tokens, found.level + 1)
),

judged AS (
    SELECT
        item_id,
        epsilon,
        squared_length,
        list_dot_product(by_held, by_held) AS held_error,
        list_dot_product(by_nearest, by_nearest) AS nearest_error
    FROM steps
    WHERE level = n_levels AND is_clear
)

SELECT judged.item_id, judged.held_error, judged.nearest_error, 'waits, but is not listed' AS fault
FROM judged
ANTI JOIN sid_waiting ON sid_waiting.item_id = judged.item_id
WHERE judged.held_error > 1.001 * (1 + judged.epsilon) * judged.nearest_error + 1e-5 * judged.squared_length
UNION ALL
SELECT sid_waiting.item_id, sid_waiting.recon_error, sid_waiting.best_error, 'listed, but with another Semantic ID or a later release'
FROM sid_waiting
CROSS JOIN tonight
LEFT JOIN open_rows ON open_rows.item_id = sid_waiting.item_id
WHERE
    open_rows.sid IS DISTINCT FROM sid_waiting.sid
    OR sid_waiting.since_release > sid_waiting.release_id
    OR sid_waiting.release_id <> tonight.release_id;

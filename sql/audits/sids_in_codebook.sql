-- audit: sids_in_codebook
-- severity: block
-- reads: sid_history, codebooks, releases
-- doc: The Semantic IDs this release gave out have one token for each level of their codebook, each a code of that level, and their text says the same.
WITH given AS (
    SELECT item_id, codebook_id, tokens, sid
    FROM sid_history
    WHERE valid_from = (SELECT max(release_id) FROM releases)
),

depths AS (
    SELECT codebook_id, max(level) AS n_levels
    FROM codebooks
    GROUP BY codebook_id
),

positions AS (
    SELECT item_id, codebook_id, sid, unnest(tokens) AS code, generate_subscripts(tokens, 1) AS level
    FROM given
)

SELECT given.item_id, given.codebook_id, given.sid, 'text or number of levels' AS fault
FROM given
LEFT JOIN depths ON depths.codebook_id = given.codebook_id
WHERE len(given.tokens) IS DISTINCT FROM depths.n_levels OR given.sid <> array_to_string(given.tokens, '-')
UNION ALL
SELECT positions.item_id, positions.codebook_id, positions.sid, 'no such code at level ' || positions.level
FROM positions
ANTI JOIN codebooks
    ON codebooks.codebook_id = positions.codebook_id
    AND codebooks.level = positions.level
    AND codebooks.code = positions.code;

-- audit: codes_eroded
-- severity: warn
-- reads: sid_metrics, codebooks, releases
-- doc: After a refresh, the codes still explain as much of the vectors' variance as in the release that learned them, but for sids.explained_drop_limits (the value that warns): vectors_as_before compares with the last release only, and a fall of a little every night is never seen there. It speaks on the night on which the fall passes the limit, twice the limit, three times …, as it did in none of the last seven releases, and not on every night between. Codes that were centred anew count as those whose numbering they keep. sids.vector_guard = "off" silences it.
WITH tonight AS (
    SELECT
        releases.release_id,
        sid_metrics.codebook_id,
        sid_metrics.value,
        greatest(
            least((releases.config->>'$.sids.explained_drop_limits[0]')::DOUBLE, (releases.config->>'$.sids.explained_drop_limits[1]')::DOUBLE),
            0.001
        ) AS warns_above
    FROM releases
    INNER JOIN sid_metrics ON sid_metrics.release_id = releases.release_id
    WHERE
        releases.release_id = (SELECT max(release_id) FROM releases)
        AND releases.kind = 'refresh'
        AND (releases.config->>'$.sids.vector_guard') <> 'off'
        AND sid_metrics.level = 0
        AND sid_metrics.metric = 'explained_variance'
),

same_numbering AS (
    SELECT DISTINCT codebook_id
    FROM codebooks
    WHERE numbering_id IN (SELECT codebooks.numbering_id FROM codebooks SEMI JOIN tonight ON tonight.codebook_id = codebooks.codebook_id)
),

of_numbering AS (
    SELECT release_id, value
    FROM sid_metrics
    WHERE level = 0 AND metric = 'explained_variance' AND codebook_id IN (FROM same_numbering)
),

learned AS (
    SELECT min(release_id) AS release_id, arg_min(value, release_id) AS value
    FROM of_numbering
),

-- A night of bad vectors that was let through hides later falls for a week, not for ever.
lowest_of_late AS (
    SELECT min(value) AS value
    FROM (FROM of_numbering WHERE release_id < (SELECT max(release_id) FROM releases) ORDER BY release_id DESC LIMIT 7)
)

SELECT
    tonight.value,
    learned.value AS value_when_learned,
    learned.release_id AS learned_in,
    printf(
        'the codes explain %.2f of the vectors'' variance; in release %d, which learned them, %.2f; make new ones with: hsrl refresh --rebuild',
        tonight.value,
        learned.release_id,
        learned.value
    ) AS finding
FROM tonight
CROSS JOIN learned
CROSS JOIN lowest_of_late
WHERE
    learned.value - tonight.value > tonight.warns_above
    AND floor((learned.value - tonight.value) / tonight.warns_above) > floor((learned.value - lowest_of_late.value) / tonight.warns_above);

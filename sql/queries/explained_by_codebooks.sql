-- query: explained_by_codebooks
-- reads: sid_metrics, codebooks
-- doc: The share of the vectors' variance that Semantic IDs explained in the first release of each codebook of a numbering ($numbering), the first codebook first.
SELECT
    codebook_id,
    arg_min(value, release_id) AS explained
FROM sid_metrics
WHERE
    level = 0
    AND metric = 'explained_variance'
    AND codebook_id IN (SELECT codebook_id FROM codebooks WHERE numbering_id = $numbering)
GROUP BY codebook_id
ORDER BY min(release_id);

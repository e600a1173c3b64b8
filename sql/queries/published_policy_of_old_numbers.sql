-- query: published_policy_of_old_numbers
-- reads: policies, codebooks, sid_metrics
-- doc: The published policy, if it was learned under other codes, as many a level, whose numbers the codes of a rebuild took ($numbering: its numbering_id).
WITH sizes AS (
    SELECT codebook_id, list(n_codes ORDER BY level) AS vocabulary
    FROM (SELECT codebook_id, level, count(*) AS n_codes FROM codebooks GROUP BY codebook_id, level)
    GROUP BY codebook_id
)
SELECT policies.policy_id
FROM policies
INNER JOIN sizes AS its_own ON its_own.codebook_id = policies.codebook_id
INNER JOIN sizes AS now ON now.codebook_id = $numbering
WHERE policies.is_published
    AND its_own.vocabulary = now.vocabulary
    AND EXISTS (
        SELECT sid_metrics.value
        FROM sid_metrics
        WHERE sid_metrics.codebook_id = $numbering AND sid_metrics.metric = 'kept_numbers_unaligned_share'
    );

-- query: published_policy_of_numbering
-- reads: policies, codebooks
-- doc: The published policy, if it was learned under code numbers that mean the same ($numbering: a numbering_id).
SELECT policy_id
FROM policies
WHERE is_published AND codebook_id IN (SELECT codebook_id FROM codebooks WHERE numbering_id = $numbering);

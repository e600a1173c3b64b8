-- query: needed_artifacts
-- reads: artifacts, codebooks, sids, policies
-- doc: The artifacts that the last release needs: the users' state, the embedding models of its Semantic IDs, the published policies.
SELECT artifact_id
FROM (FROM artifacts WHERE kind = 'user_state' ORDER BY release_id DESC LIMIT 1)
UNION
SELECT embedding_id
FROM codebooks
WHERE codebook_id IN (SELECT codebook_id FROM sids)
UNION
SELECT artifact_id
FROM policies
WHERE is_published;

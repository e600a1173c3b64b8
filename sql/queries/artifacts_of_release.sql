-- query: artifacts_of_release
-- reads: policies, codebooks
-- doc: The artifacts that a release needs to be served and gone back to: its published policies, their simulators, its embedding models.
SELECT artifact_id
FROM policies
WHERE is_published
UNION
SELECT unnest(simulator_ids)
FROM policies
WHERE is_published
UNION
SELECT embedding_id
FROM codebooks;

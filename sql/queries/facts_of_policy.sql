-- query: facts_of_policy
-- reads: policies
-- doc: What was noted of a policy ($id: an artifact_id) when it was trained.
SELECT method, preset, seed, codebook_id, n_iterations, cpu_seconds, is_published, release_id, config
FROM policies
WHERE artifact_id = $id;

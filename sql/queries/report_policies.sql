-- query: report_policies
-- reads: policies
-- doc: The policy of every retrain from release $since on, and of the last one in any case; is_published as it is now.
SELECT release_id, policy_id, method, preset, seed, n_iterations, cpu_seconds, is_published
FROM policies
WHERE release_id >= $since OR is_published OR release_id = (SELECT max(release_id) FROM evaluations)
ORDER BY release_id, policy_id;

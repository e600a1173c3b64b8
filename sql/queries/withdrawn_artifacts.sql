-- query: withdrawn_artifacts
-- reads: artifacts, withdrawn
-- doc: The simulators and policies that a rollback took back.
SELECT artifact_id
FROM artifacts
WHERE kind IN ('simulator', 'policy') AND release_id IN (SELECT release_id FROM withdrawn);

-- query: stored_artifacts
-- reads: artifacts
-- doc: The stored models and user states of all releases.
SELECT
    artifact_id,
    path,
    sha256
FROM artifacts
WHERE path LIKE 'artifacts/%'
ORDER BY created_at;

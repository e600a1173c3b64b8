-- query: stored_before_release
-- reads: artifacts
-- doc: The stored models of releases before $release_id.
SELECT artifact_id, path
FROM artifacts
WHERE path LIKE 'artifacts/%' AND release_id < $release_id
ORDER BY path;

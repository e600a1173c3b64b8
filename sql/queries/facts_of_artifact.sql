-- query: facts_of_artifact
-- reads: artifacts
-- doc: What was noted of any other stored file or folder ($id: an artifact_id).
SELECT kind, path, rows, bytes, sha256, release_id, created_at
FROM artifacts
WHERE artifact_id = $id;

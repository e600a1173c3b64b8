-- query: last_user_state
-- reads: artifacts
-- doc: The user states that the next delivery goes on from.
SELECT artifact_id, path
FROM artifacts
WHERE kind = 'user_state'
ORDER BY release_id DESC
LIMIT 1;

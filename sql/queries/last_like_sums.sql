-- query: last_like_sums
-- reads: artifacts
-- doc: The sums of likes that the next night goes on from.
SELECT artifact_id
FROM artifacts
WHERE kind = 'like_sums'
ORDER BY release_id DESC
LIMIT 1;

-- query: like_sums_named
-- reads: artifacts
-- doc: Whether a release has entered the sums of likes of this name.
SELECT artifact_id
FROM artifacts
WHERE kind = 'like_sums' AND artifact_id = $name;

-- query: artifact_ids
-- reads: artifacts
-- doc: Every artifact that a release has entered.
SELECT artifact_id
FROM artifacts;

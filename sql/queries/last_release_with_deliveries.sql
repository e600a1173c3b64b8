-- query: last_release_with_deliveries
-- reads: ingests
-- doc: The last release up to release $id that took deliveries in.
SELECT max(release_id)
FROM ingests
WHERE release_id <= $id;

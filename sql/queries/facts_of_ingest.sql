-- query: facts_of_ingest
-- reads: ingests
-- doc: What an ingest ($id) brought.
SELECT source, delivery_id, n_rows, n_accepted, n_rejected, n_known, release_id
FROM ingests
WHERE ingest_id = $id;

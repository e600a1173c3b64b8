-- query: quarantine_of_ingests
-- reads: quarantine
-- doc: The rows in quarantine that some ingests brought.
SELECT *
FROM quarantine
WHERE ingest_id IN (SELECT unnest($ingests));

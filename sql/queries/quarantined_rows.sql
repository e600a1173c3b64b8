-- query: quarantined_rows
-- reads: quarantine, ingests
-- doc: Rows of some files that published deliveries put into quarantine, and how often each is there.
SELECT file, raw, reason, count(*) AS n
FROM quarantine
WHERE ingest_id IN (SELECT ingest_id FROM ingests) AND file IN (SELECT unnest($files))
GROUP BY ALL;

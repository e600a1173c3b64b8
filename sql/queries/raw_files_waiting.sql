-- query: raw_files_waiting
-- reads: ingest_lines
-- doc: The SHA-256 of the raw files taken in whose last line has no line end and waits in quarantine.
SELECT sha256
FROM ingest_lines
GROUP BY sha256
HAVING min(n_open) = 1;

-- query: raw_files_taken_in
-- reads: ingest_files
-- doc: The SHA-256 of every raw file taken in.
SELECT DISTINCT sha256
FROM ingest_files;

-- query: ingests_by_delivery
-- reads: ingests, ingest_files, quarantine
-- doc: What every delivery was taken in as, the first ingest first: the files that each read, the ingests whose events went for it, how many of its rows were known, and how many of its rows are in quarantine.
WITH files AS (
    SELECT ingest_id, list({'file': file, 'sha256': sha256, 'bytes': bytes} ORDER BY file) AS read
    FROM ingest_files
    GROUP BY ingest_id
),

waiting AS (
    SELECT ingest_id, count(*) AS n_quarantined
    FROM quarantine
    GROUP BY ingest_id
)

SELECT
    ingests.source,
    ingests.delivery_id,
    ingests.ingest_id,
    files.read,
    ingests.replaces,
    ingests.n_known,
    coalesce(waiting.n_quarantined, 0) AS n_quarantined
FROM ingests
LEFT JOIN files ON files.ingest_id = ingests.ingest_id
LEFT JOIN waiting ON waiting.ingest_id = ingests.ingest_id
ORDER BY ingests.sequence;

-- query: report_quarantine
-- reads: quarantine, runs, ingests
-- doc: Rows in quarantine by delivery and reason, from the run of release $since on; the delivery is empty where the night was refused.
SELECT
    quarantine.run_id,
    quarantine.ingest_id,
    any_value(ingests.delivery_id) AS delivery_id,
    quarantine.reason,
    count(*) AS n_rows,
    arg_min(quarantine.file, (quarantine.file, quarantine.line)) AS file,
    arg_min(quarantine.line, (quarantine.file, quarantine.line)) AS first_line,
    arg_min(quarantine.raw, (quarantine.file, quarantine.line)) AS example
FROM quarantine
INNER JOIN runs ON runs.run_id = quarantine.run_id
LEFT JOIN ingests ON ingests.ingest_id = quarantine.ingest_id
WHERE runs.started_at >= coalesce((SELECT min(earlier.started_at) FROM runs AS earlier WHERE earlier.release_id >= $since), '-infinity'::TIMESTAMPTZ)
GROUP BY quarantine.run_id, quarantine.ingest_id, quarantine.reason
ORDER BY min(runs.started_at), quarantine.ingest_id, n_rows DESC, quarantine.reason;

-- query: report_runs
-- reads: runs
-- doc: The runs from that of release $since on, also those that were refused; times in microseconds since 1970.
SELECT
    run_id,
    flow,
    status,
    release_id,
    epoch_us(started_at) AS started_at,
    round(epoch(finished_at - started_at), 1) AS seconds,
    cpu_seconds,
    peak_memory_mb,
    stage_seconds,
    message
FROM runs
WHERE runs.started_at >= coalesce((SELECT min(earlier.started_at) FROM runs AS earlier WHERE earlier.release_id >= $since), '-infinity'::TIMESTAMPTZ)
ORDER BY runs.started_at, runs.run_id;

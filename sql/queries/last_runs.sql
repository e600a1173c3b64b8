-- query: last_runs
-- reads: runs
-- doc: The last ten runs, their times in microseconds since 1970, which need no time zone library.
SELECT
    run_id,
    status,
    release_id,
    epoch_us(started_at) AS started_at,
    round(epoch(finished_at - started_at), 1) AS seconds,
    round(cpu_seconds, 1) AS cpu_seconds,
    peak_memory_mb,
    message
FROM runs
ORDER BY runs.started_at DESC
LIMIT 10;

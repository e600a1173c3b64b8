-- query: report_releases
-- reads: releases, withdrawn
-- doc: The releases from $since on and which of them a rollback took back; times in microseconds since 1970.
SELECT
    releases.release_id,
    releases.kind,
    releases.run_id,
    releases.parent_id,
    releases.code_version,
    epoch_us(releases.created_at) AS created_at,
    withdrawn.release_id IS NOT NULL AS is_withdrawn
FROM releases
LEFT JOIN withdrawn ON withdrawn.release_id = releases.release_id
WHERE releases.release_id >= $since
ORDER BY releases.release_id;

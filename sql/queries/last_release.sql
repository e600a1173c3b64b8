-- query: last_release
-- reads: releases
-- doc: The last release, its time in microseconds since 1970, which needs no time zone library.
SELECT release_id, kind, run_id, epoch_us(created_at) AS created_at
FROM releases
ORDER BY release_id DESC
LIMIT 1;

-- query: report_since
-- reads: releases
-- doc: The first release that the morning page shows: the earliest of the last $most nights; 1 where there are no more.
SELECT coalesce(min(release_id), 1) AS since
FROM (
    SELECT release_id
    FROM releases
    WHERE kind IN ('refresh', 'rebuild')
    ORDER BY release_id DESC
    LIMIT $most
);

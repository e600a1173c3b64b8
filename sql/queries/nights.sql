-- query: nights
-- reads: releases
-- doc: The releases that were nights, the latest first.
SELECT release_id
FROM releases
WHERE kind IN ('refresh', 'rebuild')
ORDER BY release_id DESC;

-- query: open_releases
-- reads: releases
-- doc: The releases that can still be opened as they were.
SELECT release_id
FROM releases
WHERE release_id IN (
    SELECT json_extract_string(commit_extra_info, '$.release')::BIGINT
    FROM lake.snapshots()
)
ORDER BY release_id;

-- model: withdrawn
-- grain: release_id
-- reads: releases
-- doc: The releases that a rollback took back: those that the last release is not built upon.
CREATE OR REPLACE VIEW withdrawn AS
WITH RECURSIVE line AS (
    SELECT release_id, parent_id
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases)
    UNION
    SELECT releases.release_id, releases.parent_id
    FROM releases
    INNER JOIN line ON releases.release_id = line.parent_id
)
SELECT releases.release_id, releases.run_id, releases.kind, releases.created_at
FROM releases
ANTI JOIN line ON line.release_id = releases.release_id;

-- model: withdrawn
-- grain: release_id
-- reads: releases
-- doc: The releases that a rollback took back: those that the last release is not built upon.
CREATE OR REPLACE VIEW withdrawn AS
-- From the last release back to the first, a rollback at a time and not a release at a time: there are thousands of these in the end.
WITH RECURSIVE numbered AS MATERIALIZED (
    SELECT release_id, parent_id, lag(release_id) OVER (ORDER BY release_id) AS release_before
    FROM releases
),

jumps AS MATERIALIZED (
    SELECT release_id, parent_id
    FROM numbered
    WHERE parent_id IS DISTINCT FROM release_before
),

-- Of each jump: the last one before the release that it goes back to.
earlier AS MATERIALIZED (
    SELECT jumps.release_id, jumps.parent_id, coalesce(max(others.release_id), 0) AS jump_before
    FROM jumps
    LEFT JOIN jumps AS others ON others.release_id <= jumps.parent_id
    GROUP BY jumps.release_id, jumps.parent_id
),

line AS (
    SELECT coalesce((SELECT max(release_id) FROM jumps), 0) AS first_release, (SELECT max(release_id) FROM numbered) AS last_release
    UNION
    SELECT earlier.jump_before, earlier.parent_id
    FROM earlier
    INNER JOIN line ON line.first_release = earlier.release_id
    WHERE earlier.parent_id IS NOT NULL
)

SELECT releases.release_id, releases.run_id, releases.kind, releases.created_at
FROM releases
ANTI JOIN line ON releases.release_id BETWEEN line.first_release AND line.last_release;

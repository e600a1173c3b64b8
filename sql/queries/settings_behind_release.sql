-- query: settings_behind_release
-- reads: releases
-- doc: The settings that the Semantic IDs of release $id were made with: of the last refresh, rebuild or rollback that it is built upon.
WITH RECURSIVE known AS MATERIALIZED (
    SELECT release_id, parent_id, kind
    FROM releases
),

-- Back to the first that is no retrain, and no further.
line AS (
    SELECT * FROM known WHERE release_id = $id
    UNION
    SELECT known.* FROM known INNER JOIN line ON known.release_id = line.parent_id AND line.kind = 'retrain'
)

SELECT releases.config
FROM releases
WHERE releases.release_id = (SELECT max(release_id) FROM line WHERE kind <> 'retrain');

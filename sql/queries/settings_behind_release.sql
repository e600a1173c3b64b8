-- query: settings_behind_release
-- reads: releases
-- doc: The settings that the Semantic IDs of release $id were made with: of the last refresh, rebuild or rollback that it is built upon.
WITH RECURSIVE line AS (
    SELECT * FROM releases WHERE release_id = $id
    UNION
    SELECT releases.* FROM releases INNER JOIN line ON releases.release_id = line.parent_id
)

SELECT config
FROM line
WHERE kind <> 'retrain'
ORDER BY release_id DESC
LIMIT 1;

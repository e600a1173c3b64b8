-- query: settings_of_last_refresh
-- reads: releases
-- doc: The settings that the Semantic IDs of the last release were made with: of the last refresh, rebuild or rollback.
SELECT config
FROM releases
WHERE kind <> 'retrain'
ORDER BY release_id DESC
LIMIT 1;

-- example: slowest_stages
-- reads: runs
-- doc: Where does the time of each flow's completed runs go?
WITH told AS (
    SELECT flow, unnest(map_entries(stage_seconds::JSON::MAP(VARCHAR, DOUBLE))) AS stage
    FROM runs
    WHERE status = 'completed' AND stage_seconds IS NOT NULL
)

SELECT
    flow,
    stage.key AS stage_name,
    count(*) AS n_runs,
    round(avg(stage.value), 2) AS mean_seconds,
    round(max(stage.value), 2) AS longest_seconds
FROM told
GROUP BY flow, stage_name
ORDER BY flow, mean_seconds DESC, stage_name;

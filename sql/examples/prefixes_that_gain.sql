-- example: prefixes_that_gain
-- reads: events, ingests, sids
-- doc: Which coarsest codes are liked more often among last night's events than before?
WITH told AS (
    SELECT
        sids.tokens[1] AS first_code,
        events.feedback,
        ingests.release_id = (SELECT max(release_id) FROM ingests) AS is_last
    FROM events
    INNER JOIN ingests ON ingests.ingest_id = events.ingest_id
    INNER JOIN sids ON sids.item_id = events.item_id
)

SELECT
    first_code,
    round(avg(feedback) FILTER (NOT is_last), 3) AS liked_before,
    round(avg(feedback) FILTER (is_last), 3) AS liked_last_night,
    round(liked_last_night - liked_before, 3) AS gain
FROM told
GROUP BY first_code
HAVING count(*) FILTER (is_last) > 0
ORDER BY gain DESC NULLS LAST, first_code
LIMIT 20;

-- example: items_by_first_code
-- reads: sids
-- doc: Which coarsest codes hold the most items?
SELECT tokens[1] AS first_code, count(*) AS n_items
FROM sids
GROUP BY first_code
ORDER BY n_items DESC, first_code
LIMIT 20;

-- example: restless_items
-- reads: sid_history, items
-- doc: Which items changed their Semantic ID most often?
SELECT
    sid_history.item_id,
    any_value(items.raw_id) AS raw_id,
    any_value(items.title) AS title,
    count(*) FILTER (sid_history.reason = 'moved') AS n_moves,
    list(sid_history.sid ORDER BY sid_history.valid_from) AS sids_in_order
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
GROUP BY sid_history.item_id
HAVING count(*) FILTER (sid_history.reason = 'moved') > 0
ORDER BY n_moves DESC, sid_history.item_id
LIMIT 20;

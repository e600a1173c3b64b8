-- example: items_without_sid
-- reads: sid_missing, items
-- doc: Which items that may be shown have no Semantic ID, and why?
SELECT sid_missing.reason, count(*) OVER (PARTITION BY sid_missing.reason) AS n_items, items.item_id, items.raw_id, items.title
FROM sid_missing
INNER JOIN items ON items.item_id = sid_missing.item_id
ORDER BY n_items DESC, sid_missing.reason, items.item_id;

-- query: titles_of_items
-- reads: items
-- doc: Raw ids and titles of some items ($item_ids).
SELECT raw_id, coalesce(title, raw_id) AS title
FROM items
WHERE item_id IN (SELECT unnest($item_ids))
ORDER BY item_id;

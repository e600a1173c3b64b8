-- query: facts_of_item
-- reads: items
-- doc: What the catalogue says of an item ($item_id).
SELECT raw_id, title, categories, is_active, first_seen, last_seen
FROM items
WHERE item_id = $item_id;

-- model: sid_items
-- grain: codebook_id, item_id
-- reads: sid_history, items
-- doc: The items that have a Semantic ID now, in slot order: sid_items('12-203-7').
CREATE OR REPLACE MACRO sid_items(sid_text) AS TABLE
SELECT sid_history.codebook_id, sid_history.slot, sid_history.item_id, items.title, items.categories, items.raw_id
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
WHERE sid_history.valid_to IS NULL AND sid_history.sid = sid_text
ORDER BY sid_history.codebook_id, sid_history.slot, sid_history.item_id;

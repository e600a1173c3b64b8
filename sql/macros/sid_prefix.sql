-- model: sid_prefix
-- grain: codebook_id, item_id
-- reads: sid_history, items
-- doc: The items whose Semantic ID begins with these codes: sid_prefix('12-203').
CREATE OR REPLACE MACRO sid_prefix(prefix_text) AS TABLE
SELECT sid_history.codebook_id, sid_history.sid, sid_history.slot, sid_history.item_id, items.title, items.categories, items.raw_id
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
WHERE sid_history.valid_to IS NULL AND starts_with(sid_history.sid || '-', prefix_text || '-')
ORDER BY sid_history.codebook_id, sid_history.sid_key, sid_history.slot, sid_history.item_id;

-- query: items_now_under_sid
-- reads: sid_history, items
-- doc: The items that have a Semantic ID ($sid) of a codebook ($codebook_id) now, in slot order, as the log spells them.
SELECT list(coalesce(raw_id, item_id::VARCHAR) ORDER BY slot) AS raw_ids
FROM sid_history
LEFT JOIN items USING (item_id)
WHERE codebook_id = $codebook_id AND sid = $sid AND valid_to IS NULL;

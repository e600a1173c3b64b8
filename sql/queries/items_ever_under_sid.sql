-- query: items_ever_under_sid
-- reads: sid_history
-- doc: The items that have or had a Semantic ID ($sid), by codebook.
SELECT codebook_id, sid, list(DISTINCT item_id ORDER BY item_id) AS item_ids
FROM sid_history
WHERE sid = $sid
GROUP BY ALL
ORDER BY codebook_id;

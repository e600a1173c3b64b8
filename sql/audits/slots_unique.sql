-- audit: slots_unique
-- severity: block
-- reads: sid_history
-- doc: The items that share a Semantic ID have different slots.
SELECT codebook_id, sid, slot, list(item_id ORDER BY item_id)[:5] AS item_ids
FROM sid_history
WHERE valid_to IS NULL
GROUP BY codebook_id, sid, slot
HAVING count(*) > 1;

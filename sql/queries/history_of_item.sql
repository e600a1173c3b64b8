-- query: history_of_item
-- reads: sid_history
-- doc: The Semantic IDs that an item ($item_id) had, in order.
SELECT sid, codebook_id, slot, valid_from, valid_to, reason, recon_error
FROM sid_history
WHERE item_id = $item_id
ORDER BY valid_from;

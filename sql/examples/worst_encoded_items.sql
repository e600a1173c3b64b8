-- example: worst_encoded_items
-- reads: sids, items
-- doc: Which items fit their Semantic ID worst, and lie beyond what the codebook saw when it was learned?
SELECT sids.item_id, items.raw_id, items.title, sids.sid, sids.recon_error, sids.is_ood, sids.assigned_by
FROM sids
LEFT JOIN items ON items.item_id = sids.item_id
ORDER BY sids.recon_error DESC, sids.item_id
LIMIT 20;

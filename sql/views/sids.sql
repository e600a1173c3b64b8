-- model: sids
-- grain: item_id, codebook_id
-- reads: sid_history, items
-- doc: The Semantic ID of each item now: the open rows of sid_history.
CREATE OR REPLACE VIEW sids AS
SELECT
    sid_history.item_id,
    sid_history.codebook_id,
    sid_history.tokens,
    sid_history.sid,
    sid_history.sid_key,
    sid_history.slot,
    sid_history.valid_from,
    sid_history.assigned_by,
    sid_history.reason,
    sid_history.recon_error,
    sid_history.is_ood,
    items.raw_id,
    items.title
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
WHERE sid_history.valid_to IS NULL;

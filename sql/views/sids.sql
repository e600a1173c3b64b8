-- model: sids
-- grain: item_id, codebook_id
-- reads: sid_history
-- doc: The Semantic ID of each item now: the open rows of sid_history.
CREATE OR REPLACE VIEW sids AS
SELECT item_id, codebook_id, tokens, sid, sid_key, slot, valid_from, assigned_by, reason, recon_error, is_ood
FROM sid_history
WHERE valid_to IS NULL;

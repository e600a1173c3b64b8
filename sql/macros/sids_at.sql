-- model: sids_at
-- grain: item_id, codebook_id
-- reads: sid_history
-- doc: The Semantic IDs as of a release: sids_at(12). Reads sid_history, so it outlives the expiry of snapshots.
CREATE OR REPLACE MACRO sids_at(release) AS TABLE
SELECT item_id, codebook_id, tokens, sid, sid_key, slot, valid_from, assigned_by, reason, recon_error, is_ood
FROM sid_history
WHERE valid_from <= release AND (valid_to IS NULL OR valid_to > release);

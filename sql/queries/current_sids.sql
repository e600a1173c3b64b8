-- query: current_sids
-- reads: sids
-- doc: The Semantic ID of each item and how it was chosen.
SELECT item_id, sid AS current_sid, tokens AS current_tokens, assigned_by
FROM sids;

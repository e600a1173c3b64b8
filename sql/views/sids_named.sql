-- model: sids_named
-- grain: item_id, codebook_id
-- reads: sid_history, items
-- doc: The Semantic ID of each item now, in words: the id of the raw log, title and categories.
CREATE OR REPLACE VIEW sids_named AS
SELECT
    items.raw_id,
    items.title,
    items.categories,
    sid_history.sid,
    sid_history.tokens,
    sid_history.slot,
    items.is_active,
    sid_history.item_id,
    sid_history.codebook_id
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
WHERE sid_history.valid_to IS NULL;

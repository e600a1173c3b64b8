-- model: sid_buckets
-- grain: codebook_id, sid
-- reads: sid_history, items
-- doc: The items behind each Semantic ID, in slot order.
-- column n_items: how many items share the Semantic ID
-- column item_ids: its items, in slot order
-- column raw_ids: their ids as the raw log spells them, in the same order
-- column titles: their titles, in the same order
CREATE OR REPLACE VIEW sid_buckets AS
SELECT
    sid_history.codebook_id,
    sid_history.sid,
    any_value(sid_history.tokens) AS tokens,
    count(sid_history.item_id) AS n_items,
    list(sid_history.item_id ORDER BY sid_history.slot, sid_history.item_id) AS item_ids,
    list(items.raw_id ORDER BY sid_history.slot, sid_history.item_id) AS raw_ids,
    list(items.title ORDER BY sid_history.slot, sid_history.item_id) AS titles
FROM sid_history
LEFT JOIN items ON items.item_id = sid_history.item_id
WHERE sid_history.valid_to IS NULL
GROUP BY sid_history.codebook_id, sid_history.sid;

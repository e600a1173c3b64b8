-- model: sid_buckets
-- grain: codebook_id, sid
-- reads: sid_history
-- doc: The items behind each Semantic ID, in slot order.
CREATE OR REPLACE VIEW sid_buckets AS
SELECT
    codebook_id,
    sid,
    any_value(tokens) AS tokens,
    count(item_id) AS n_items,
    list(item_id ORDER BY slot, item_id) AS item_ids
FROM sid_history
WHERE valid_to IS NULL
GROUP BY codebook_id, sid;

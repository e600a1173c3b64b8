-- example: why_an_item_moved
-- reads: sid_history, items
-- doc: Of the items that moved last: at which level does the new Semantic ID part from the old one, how was it chosen, and is it beyond what the codebook knows?
SELECT
    now.item_id,
    items.raw_id,
    items.title,
    before.sid AS sid_before,
    now.sid AS sid_now,
    list_position(list_transform(range(1, len(now.tokens) + 1), lambda level: now.tokens[level] <> before.tokens[level]), true) AS parts_at_level,
    now.assigned_by,
    now.is_ood
FROM sid_history AS now
INNER JOIN sid_history AS before
    ON before.item_id = now.item_id AND before.codebook_id = now.codebook_id AND before.valid_to = now.valid_from
LEFT JOIN items ON items.item_id = now.item_id
WHERE now.reason = 'moved' AND now.valid_from = (SELECT max(valid_from) FROM sid_history WHERE reason = 'moved')
ORDER BY parts_at_level, now.item_id;

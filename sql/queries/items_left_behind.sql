-- query: items_left_behind
-- reads: sid_missing
-- doc: Items without a Semantic ID whose reason begins with $reason.
SELECT item_id
FROM sid_missing
WHERE starts_with(reason, $reason);

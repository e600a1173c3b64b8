-- example: liked_by_prefix
-- reads: events, sids
-- doc: How often are the items of each two-level prefix shown, and how often liked when shown?
SELECT
    array_to_string(sids.tokens[:2], '-') AS prefix,
    count(DISTINCT sids.item_id) AS n_items,
    count(events.user_seq) AS n_shown,
    round(avg(events.feedback), 3) AS liked
FROM sids
INNER JOIN events ON events.item_id = sids.item_id
GROUP BY prefix
ORDER BY liked DESC, n_shown DESC, prefix
LIMIT 50;

-- example: new_items_last_night
-- reads: sid_history, items, releases
-- doc: Which items got their first Semantic ID in the last release that gave any, and which is it?
SELECT sid_history.item_id, items.raw_id, items.title, sid_history.sid, sid_history.recon_error, sid_history.is_ood
FROM sid_history
INNER JOIN items ON items.item_id = sid_history.item_id
WHERE
    sid_history.reason = 'new'
    AND sid_history.valid_from = (SELECT max(valid_from) FROM sid_history WHERE reason = 'new')
ORDER BY sid_history.item_id;

-- example: moved_last_night
-- reads: sid_history, items
-- doc: Which items got another Semantic ID in the last release that moved any, and from where to where?
SELECT now.item_id, items.raw_id, items.title, before.sid AS sid_before, now.sid AS sid_now, before.recon_error AS error_before, now.recon_error AS error_now
FROM sid_history AS now
INNER JOIN sid_history AS before
    ON before.item_id = now.item_id AND before.valid_to = now.valid_from
LEFT JOIN items ON items.item_id = now.item_id
WHERE now.reason = 'moved' AND now.valid_from = (SELECT max(valid_from) FROM sid_history WHERE reason = 'moved')
ORDER BY now.item_id;

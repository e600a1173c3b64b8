-- example: cold_items
-- reads: items, events, sids
-- doc: Which items that may be shown were shown fewer than five times, and which Semantic ID do they have?
SELECT items.item_id, items.raw_id, items.title, count(events.user_id) AS n_shown, any_value(sids.sid) AS sid
FROM items
LEFT JOIN events ON events.item_id = items.item_id
LEFT JOIN sids ON sids.item_id = items.item_id
WHERE items.is_active
GROUP BY items.item_id, items.raw_id, items.title
HAVING count(events.user_id) < 5
ORDER BY n_shown, items.item_id;

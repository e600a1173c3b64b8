-- example: exposure_by_category
-- reads: events, items
-- doc: How often is each category shown, and how often liked when shown?
SELECT
    categories.category,
    count(events.user_seq) AS n_shown,
    round(count(events.user_seq) / (SELECT count(user_seq) FROM events), 3) AS share_of_events,
    round(avg(events.feedback), 3) AS liked
FROM events
INNER JOIN (SELECT item_id, unnest(categories) AS category FROM items) AS categories ON categories.item_id = events.item_id
GROUP BY categories.category
ORDER BY n_shown DESC, categories.category;

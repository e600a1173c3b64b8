-- query: events_of_item
-- reads: events
-- doc: How often each ingest brought an item ($item_id), shown and liked.
SELECT ingest_id, count(user_seq) AS n_events, sum(feedback) AS n_positives
FROM events
WHERE item_id = $item_id
GROUP BY ingest_id;

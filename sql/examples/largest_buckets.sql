-- example: largest_buckets
-- reads: sid_buckets
-- doc: Which Semantic IDs are shared by the most items, and which items are they?
SELECT sid, n_items, item_ids[:10] AS first_items, raw_ids[:10] AS first_raw_ids
FROM sid_buckets
ORDER BY n_items DESC, sid
LIMIT 20;

-- example: items_that_share_a_sid
-- reads: sid_buckets, sids
-- doc: How many items have a Semantic ID for themselves, and how many share one with how many others?
SELECT n_items AS items_in_one_sid, count(*) AS n_sids, sum(n_items) AS n_items
FROM sid_buckets
GROUP BY items_in_one_sid
ORDER BY items_in_one_sid;

-- query: items_with_positives
-- reads: items, records
-- doc: Every item and how often it was liked in training records, as a policy's item features count it; sums of whole numbers have no order.
SELECT items.item_id, items.raw_id, items.is_active, items.first_seen, coalesce(liked.n_positives, 0)::BIGINT AS n_positives
FROM items
LEFT JOIN (
    SELECT item_id, count(*) AS n_positives
    FROM (SELECT unnest(exposed_items) AS item_id, unnest(feedback) AS answer FROM records WHERE split = 'train')
    WHERE answer > 0
    GROUP BY item_id
) AS liked ON liked.item_id = items.item_id
ORDER BY items.item_id;

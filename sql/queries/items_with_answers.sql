-- query: items_with_answers
-- reads: items, records
-- doc: Every item and how often training records show and like it, as a policy's item features count it; sums of whole numbers have no order.
SELECT items.item_id, items.raw_id, items.is_active, items.first_seen,
    coalesce(answers.n_shown, 0)::BIGINT AS n_shown, coalesce(answers.n_positives, 0)::BIGINT AS n_positives
FROM items
LEFT JOIN (
    SELECT item_id, count(*) AS n_shown, count(*) FILTER (WHERE answer > 0) AS n_positives
    FROM (SELECT unnest(exposed_items) AS item_id, unnest(feedback) AS answer FROM records WHERE split = 'train')
    GROUP BY item_id
) AS answers ON answers.item_id = items.item_id
ORDER BY items.item_id;

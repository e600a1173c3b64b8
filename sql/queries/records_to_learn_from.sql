-- query: records_to_learn_from
-- reads: records
-- doc: The records as policies and simulators learn from them, by user and position.
SELECT user_id, record_index, exposed_items, feedback, history, split, occurred_at
FROM records
ORDER BY user_id, record_index;

-- query: records_to_learn_from
-- reads: records
-- doc: The records as policies and simulators learn from them.
SELECT user_id, record_index, exposed_items, feedback, history, split
FROM records;

-- model: records
-- grain: user_id, record_index
-- reads: record_rows, splits
-- doc: The slates with their split; a user's leading n_train records are for training.
-- column split: train or test
CREATE OR REPLACE VIEW records AS
SELECT
    record_rows.*,
    CASE WHEN record_rows.record_index < splits.n_train THEN 'train' ELSE 'test' END AS split
FROM record_rows
INNER JOIN splits ON splits.user_id = record_rows.user_id;

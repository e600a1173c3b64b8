-- model: splits
-- grain: user_id
-- doc: One user's cut between training and test records.
CREATE TABLE splits (
    user_id BIGINT NOT NULL,
    n_records BIGINT NOT NULL,
    n_train BIGINT NOT NULL,
    method VARCHAR NOT NULL
);

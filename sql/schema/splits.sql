-- model: splits
-- grain: user_id
-- doc: One user's cut between training and test records.
-- column user_id: the user; text ids are hashed to 63 bits, see raw_id
-- column n_records: whole records of the user
-- column n_train: leading records of the user that are for training
-- column method: how it was made
CREATE TABLE splits (
    user_id BIGINT NOT NULL,
    n_records BIGINT NOT NULL,
    n_train BIGINT NOT NULL,
    method VARCHAR NOT NULL
);

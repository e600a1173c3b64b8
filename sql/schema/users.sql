-- model: users
-- grain: user_id
-- doc: One user.
-- column user_id: the user; text ids are hashed to 63 bits, see raw_id
-- column raw_id: the id as the raw log spells it
-- column attributes: what else the source tells, a JSON object of texts and numbers
CREATE TABLE users (
    user_id BIGINT NOT NULL,
    raw_id VARCHAR NOT NULL,
    attributes VARCHAR
);

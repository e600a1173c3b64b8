-- model: users
-- grain: user_id
-- doc: One user.
CREATE TABLE users (
    user_id BIGINT NOT NULL,
    raw_id VARCHAR NOT NULL,
    attributes VARCHAR
);

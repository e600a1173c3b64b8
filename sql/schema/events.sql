-- model: events
-- grain: user_id, user_seq
-- doc: One shown item.
CREATE TABLE events (
    user_id BIGINT NOT NULL,
    item_id BIGINT NOT NULL,
    user_seq BIGINT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    feedback UTINYINT NOT NULL,
    behavior VARCHAR,
    value FLOAT,
    request_id VARCHAR,
    session_id VARCHAR,
    position USMALLINT,
    behavior_policy_id VARCHAR,
    propensity FLOAT,
    source VARCHAR NOT NULL,
    ingest_id VARCHAR NOT NULL
);

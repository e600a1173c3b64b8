-- model: record_rows
-- grain: user_id, record_index
-- doc: One slate, an RL4RS row; the view records adds the split.
CREATE TABLE record_rows (
    record_id VARCHAR NOT NULL,
    user_id BIGINT NOT NULL,
    record_index BIGINT NOT NULL,
    session_id VARCHAR,
    sequence_id BIGINT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    exposed_items BIGINT[] NOT NULL,
    feedback UTINYINT[] NOT NULL,
    history BIGINT[] NOT NULL,
    behavior_policy_id VARCHAR,
    ingest_id VARCHAR NOT NULL
);

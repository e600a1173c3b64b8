-- model: record_rows
-- grain: user_id, record_index
-- doc: One slate, an RL4RS row; the view records adds the split.
-- column record_id: user_id-record_index
-- column user_id: the user; text ids are hashed to 63 bits, see raw_id
-- column record_index: place of the record within its user, 0 = first
-- column session_id: the visit
-- column sequence_id: place of the slate within its session (without sessions: its user), 0 = first
-- column occurred_at: when it happened, UTC; empty where the source tells no time
-- column exposed_items: the slate: K item ids in the order shown
-- column feedback: K answers, 1 = positive, in the order of exposed_items
-- column history: at most H most recent positives strictly before the slate, oldest first
-- column behavior_policy_id: the policy that chose what was shown
-- column ingest_id: the ingest that brought the row; see ingests
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

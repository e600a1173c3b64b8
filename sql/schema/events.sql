-- model: events
-- grain: user_id, user_seq
-- doc: One shown item.
-- column user_id: the user; text ids are hashed to 63 bits, see raw_id
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column user_seq: order of the event within its user, rising with time; not dense
-- column occurred_at: when it happened, UTC; empty where the source tells no time
-- column feedback: 1 = positive, 0 = shown and not positive
-- column behavior: the answer as the source tells it (buy, cart …), where feedback does not say the same as 1 or 0
-- column value: the graded signal behind the feedback (rating in stars, watch ratio …)
-- column request_id: the request whose slate held the item
-- column session_id: the visit
-- column position: place in the slate, 0 = first
-- column behavior_policy_id: the policy that chose what was shown
-- column propensity: probability in (0, 1] with which that policy showed the item
-- column source: name of the source in the configuration
-- column ingest_id: the ingest that brought the row; see ingests
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

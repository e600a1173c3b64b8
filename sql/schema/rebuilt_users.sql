-- model: rebuilt_users
-- grain: user_id, release_id
-- doc: One user whose events and records a release laid out anew, all of them, as events were late or a day was corrected.
-- column user_id: the user; text ids are hashed to 63 bits, see raw_id
-- column ingest_id: the ingest that brought the row; see ingests
-- column release_id: the release, 1 = first
CREATE TABLE rebuilt_users (
    user_id BIGINT NOT NULL,
    ingest_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

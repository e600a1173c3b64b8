-- model: quarantine
-- grain: none
-- doc: One raw row that was not accepted, and why.
CREATE TABLE quarantine (
    run_id VARCHAR NOT NULL,
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    line BIGINT NOT NULL,
    raw VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);

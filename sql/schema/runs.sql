-- model: runs
-- grain: run_id
-- doc: One run of a flow, also of one that was refused.
CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    flow VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    release_id BIGINT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    stage_seconds VARCHAR,
    cpu_seconds DOUBLE,
    peak_memory_mb DOUBLE,
    message VARCHAR
);

-- model: runs
-- grain: run_id
-- doc: One run of a flow, also of one that was refused.
-- column run_id: the run
-- column flow: daily-refresh, requeue, nightly-retrain, rollback, forget, gc or reproduce
-- column status: running, completed, failed, nothing new, or killed
-- column code_version: version of hsrl, and commit where it is known
-- column config: settings it was made with, a JSON object
-- column release_id: the release it published; empty if none
-- column started_at: when it began, UTC
-- column finished_at: when it ended, UTC; empty while it runs or if it was killed
-- column stage_seconds: wall seconds per stage, a JSON object
-- column cpu_seconds: processor time, seconds
-- column peak_memory_mb: largest resident memory, MB
-- column message: why it failed, or what the gate said of a policy, one line
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

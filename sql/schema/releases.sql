-- model: releases
-- grain: release_id
-- doc: One published state of the warehouse.
-- column release_id: the release, 1 = first
-- column run_id: the run
-- column kind: refresh, rebuild (a refresh that was asked for new Semantic IDs), retrain, rollback or forget
-- column parent_id: the release it was built upon, of a rollback the one it went back to; empty for the first
-- column code_version: version of hsrl, and commit where it is known
-- column config: settings it was made with, a JSON object
-- column seed: seed of every random choice
-- column inputs: fingerprints of what it was made from: artifact_id or ingest_id
-- column created_at: when the row was written, UTC
CREATE TABLE releases (
    release_id BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    parent_id BIGINT,
    code_version VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    inputs VARCHAR[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
);

-- model: releases
-- grain: release_id
-- doc: One published state of the warehouse.
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

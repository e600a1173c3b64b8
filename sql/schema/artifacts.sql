-- model: artifacts
-- grain: artifact_id
-- doc: One file or folder that a run left: a registered data file, a model, a codebook.
CREATE TABLE artifacts (
    artifact_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    rows BIGINT,
    bytes BIGINT NOT NULL,
    sha256 VARCHAR NOT NULL,
    inputs VARCHAR[] NOT NULL,
    run_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
);

-- model: artifacts
-- grain: artifact_id
-- doc: One file or folder that a run left: a registered data file, a model, a codebook.
-- column artifact_id: fingerprint of the artifact: of its inputs, settings and seed
-- column kind: what it is: a table's name for data files, else codebook, embedding_model, simulator, policy …
-- column path: place below the warehouse folder
-- column rows: rows of a data file; empty for anything else
-- column bytes: size in bytes
-- column sha256: SHA-256 of the bytes, hexadecimal
-- column inputs: fingerprints of what it was made from: artifact_id or ingest_id
-- column run_id: the run
-- column release_id: the release, 1 = first
-- column created_at: when the row was written, UTC
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

-- model: policies
-- grain: policy_id
-- doc: One trained policy.
CREATE TABLE policies (
    policy_id VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    codebook_id VARCHAR NOT NULL,
    simulator_ids VARCHAR[] NOT NULL,
    n_iterations BIGINT NOT NULL,
    cpu_seconds DOUBLE NOT NULL,
    artifact_id VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    is_published BOOLEAN NOT NULL,
    release_id BIGINT NOT NULL
);

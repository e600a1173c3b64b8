-- model: policies
-- grain: policy_id
-- doc: One trained policy.
-- column policy_id: fingerprint of the policy
-- column method: hsrl, sasrec …
-- column preset: simulator preset: calibrated, released or saturating
-- column seed: seed of every random choice
-- column codebook_id: fingerprint of the frozen codebook
-- column simulator_ids: the simulators it learned in
-- column n_iterations: updates of the learner
-- column cpu_seconds: processor time of the training, seconds
-- column artifact_id: fingerprint of the artifact: of its inputs, settings and seed
-- column config: settings it was made with, a JSON object
-- column is_published: true for the policy that the ranking service loads
-- column release_id: the release, 1 = first
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

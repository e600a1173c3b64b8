-- model: training_curves
-- grain: policy_id, iteration, metric
-- doc: One figure at one iteration of a training.
-- column policy_id: fingerprint of the policy
-- column iteration: updates so far
-- column metric: name of the figure; see docs/metrics.md
-- column value: the figure
CREATE TABLE training_curves (
    policy_id VARCHAR NOT NULL,
    iteration BIGINT NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);

-- model: training_curves
-- grain: policy_id, iteration, metric
-- doc: One figure at one iteration of a training.
CREATE TABLE training_curves (
    policy_id VARCHAR NOT NULL,
    iteration BIGINT NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);

-- model: simulators
-- grain: simulator_id
-- doc: One fitted user simulator and how well it predicts.
CREATE TABLE simulators (
    simulator_id VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    fit_on VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    n_records BIGINT NOT NULL,
    auc DOUBLE NOT NULL,
    ece DOUBLE NOT NULL,
    log_loss DOUBLE NOT NULL,
    mean_p DOUBLE NOT NULL,
    mean_y DOUBLE NOT NULL,
    judged_on VARCHAR NOT NULL,
    artifact_id VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

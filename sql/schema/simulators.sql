-- model: simulators
-- grain: simulator_id
-- doc: One fitted user simulator and how well it predicts.
-- column simulator_id: fingerprint of the simulator
-- column family: kind of simulated users: latent, attention, frozen_attention, factorisation, trees or deep_sets; joined by + for several
-- column preset: simulator preset: calibrated, released or saturating
-- column fit_on: train or all: the records it was fitted on
-- column seed: seed of every random choice
-- column n_records: records it was fitted on
-- column auc: area under the ROC curve, 0.5 = chance
-- column ece: expected calibration error, 10 equal bins, a probability
-- column log_loss: mean negative log-likelihood per shown item, nats
-- column mean_p: mean predicted probability of a positive
-- column mean_y: share of positives observed
-- column judged_on: test, or in-sample where it was fitted on all records
-- column artifact_id: fingerprint of the artifact: of its inputs, settings and seed
-- column config: settings it was made with, a JSON object
-- column release_id: the release, 1 = first
CREATE TABLE simulators (
    simulator_id VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
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

-- model: experiments
-- grain: run_id, variant, kind, seed, simulator_id
-- doc: One variant of a study, learned with one seed and judged in one simulator; never published, its policy may be gone.
-- column run_id: the run
-- column release_id: the release whose records and Semantic IDs it learned from
-- column study: ablation, sensitivity, weights, variance, paper, horizon or tried
-- column variant: its name, or that of a reference row
-- column kind: own (judged where it learned), transferred (that family, fitted on other data by another seed), panel (other families), or reference
-- column seed: seed of every random choice
-- column simulator_id: fingerprint of the simulator
-- column family: kind of simulated users: latent, attention, frozen_attention, factorisation, trees or deep_sets; joined by + for several
-- column policy_id: fingerprint of the policy; empty for reference rows
-- column changes: settings by which the variant differs from the configured one, a JSON object
-- column config: settings it was made with, a JSON object
-- column preset: simulator preset: calibrated, released or saturating
-- column n_sessions: whole sessions played
-- column total_reward: mean over sessions of the summed step rewards
-- column total_reward_sd: its standard deviation over sessions
-- column ci_low: lower end of the 95 % interval of the mean over sessions
-- column ci_high: upper end of the 95 % interval of the mean over sessions
-- column depth: mean number of steps a session
-- column user_reward_variance: variance across users of their total reward
-- column distinct_items: different items shown in all sessions
-- column gini: Gini coefficient of exposure over active items, 0 = equal
-- column unsupported_share: share of shown places without support in the log: shown to the user before where the log shows nobody an item twice, or never shown at all
-- column temper_law: (1 + K) · depth - K · total_reward: patience that a session spent, in the mean; see the audit temper_law
-- column cpu_seconds: processor time of its training; empty where the policy was known before
CREATE TABLE experiments (
    run_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL,
    study VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    simulator_id VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    policy_id VARCHAR,
    changes VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    n_sessions BIGINT NOT NULL,
    total_reward DOUBLE NOT NULL,
    total_reward_sd DOUBLE NOT NULL,
    ci_low DOUBLE NOT NULL,
    ci_high DOUBLE NOT NULL,
    depth DOUBLE NOT NULL,
    user_reward_variance DOUBLE NOT NULL,
    distinct_items BIGINT NOT NULL,
    gini DOUBLE NOT NULL,
    unsupported_share DOUBLE NOT NULL,
    temper_law DOUBLE NOT NULL,
    cpu_seconds DOUBLE
);

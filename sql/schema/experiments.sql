-- model: experiments
-- grain: run_id, variant, kind, seed, simulator_id
-- doc: One variant of a study, learned with one seed and judged in one simulator.
CREATE TABLE experiments (
    run_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL,
    study VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    simulator_id VARCHAR NOT NULL,
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
    temper_law DOUBLE NOT NULL,
    cpu_seconds DOUBLE
);

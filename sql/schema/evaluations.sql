-- model: evaluations
-- grain: release_id, policy, simulator_id, seed
-- doc: One policy judged in one simulator.
CREATE TABLE evaluations (
    release_id BIGINT NOT NULL,
    policy VARCHAR NOT NULL,
    policy_id VARCHAR,
    simulator_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    slate_size BIGINT NOT NULL,
    cost DOUBLE NOT NULL,
    temper0 DOUBLE NOT NULL,
    max_steps BIGINT NOT NULL,
    embedding_id VARCHAR,
    seed BIGINT NOT NULL,
    n_sessions BIGINT NOT NULL,
    total_reward DOUBLE NOT NULL,
    total_reward_sd DOUBLE NOT NULL,
    ci_low DOUBLE NOT NULL,
    ci_high DOUBLE NOT NULL,
    depth DOUBLE NOT NULL,
    user_reward_variance DOUBLE NOT NULL,
    distinct_items BIGINT NOT NULL,
    gini DOUBLE NOT NULL,
    temper_law DOUBLE NOT NULL
);

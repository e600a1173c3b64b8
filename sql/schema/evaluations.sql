-- model: evaluations
-- grain: release_id, policy, simulator_id, seed
-- doc: One policy judged in one simulator.
-- column release_id: the release, 1 = first
-- column policy: name of the row: a method, or a reference such as popular slate
-- column policy_id: fingerprint of the policy; empty for reference rows
-- column simulator_id: fingerprint of the simulator
-- column family: kind of simulated users: latent, attention, frozen_attention, factorisation, trees or deep_sets; joined by + for several
-- column kind: own (judged where it learned), transferred (that family, fitted on other data by another seed), panel (other families), or reference
-- column preset: simulator preset: calibrated, released or saturating
-- column repeats: never: sessions show nobody an item again; allowed: they may
-- column slate_size: K, items a slate
-- column cost: c, what an item that was shown and not liked takes from the reward
-- column temper0: patience that a session begins with
-- column max_steps: slates after which a session ended in any case
-- column embedding_id: the vectors the simulator sees
-- column seed: seed of every random choice
-- column n_sessions: whole sessions played
-- column total_reward: mean over sessions of the summed step rewards
-- column total_reward_sd: its standard deviation over sessions
-- column ci_low: lower end of the 95 % interval of the mean
-- column ci_high: upper end of the 95 % interval of the mean
-- column depth: mean number of steps a session
-- column user_reward_variance: variance across users of their total reward
-- column distinct_items: different items shown in all sessions
-- column gini: Gini coefficient of exposure over active items, 0 = equal
-- column unsupported_share: share of shown places without support in the log: shown to the user before where the log shows nobody an item twice, or never shown at all
-- column temper_law: (1 + K) · depth - K · total_reward: patience that a session spent, in the mean; see the audit temper_law
CREATE TABLE evaluations (
    release_id BIGINT NOT NULL,
    policy VARCHAR NOT NULL,
    policy_id VARCHAR,
    simulator_id VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    repeats VARCHAR NOT NULL,
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
    unsupported_share DOUBLE NOT NULL,
    temper_law DOUBLE NOT NULL
);

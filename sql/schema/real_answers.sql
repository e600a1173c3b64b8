-- model: real_answers
-- grain: release_id, policy, seed, metric
-- doc: How one policy ranks what people of the test split were shown, by one figure; no simulator has a say.
-- column release_id: the release, 1 = first
-- column policy: name of the row: a method, or a ranking by items alone
-- column policy_id: fingerprint of the policy; empty for rankings by items alone
-- column seed: that the policy learned with; empty for rankings by items alone
-- column metric: auc_in_slate, ndcg_in_slate, ndcg_of_later_items (each of 10 places), or ece_of_scores
-- column value: the figure, in [0, 1]
-- column ci_low: lower end of the 95 % interval over users; empty for ece_of_scores
-- column ci_high: upper end of the 95 % interval over users; empty for ece_of_scores
-- column n_users: users whose slates can tell
-- column n_slates: slates that were scored
CREATE TABLE real_answers (
    release_id BIGINT NOT NULL,
    policy VARCHAR NOT NULL,
    policy_id VARCHAR,
    seed BIGINT,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    ci_low DOUBLE,
    ci_high DOUBLE,
    n_users BIGINT NOT NULL,
    n_slates BIGINT NOT NULL
);

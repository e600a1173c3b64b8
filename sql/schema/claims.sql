-- model: claims
-- grain: release_id, policy_id, reference
-- doc: What may be said of one policy beside another method of the same run, by the rule of claims.
-- column release_id: the release, 1 = first
-- column policy: its method
-- column policy_id: fingerprint of the policy
-- column reference: the method that it is compared with
-- column verdict: better, not by every judge, in its own family only, no difference shown, worse in its own family only, or worse
-- column panel: difference in total reward in the mean over families not learned in, mean
-- column panel_low: difference in total reward in the mean over families not learned in, lower end of its 95 % interval
-- column panel_high: difference in total reward in the mean over families not learned in, upper end of its 95 % interval
-- column worst_family: family where its difference is lowest, as a share of the reference's reward
-- column worst_share: that share; below -0.01 nothing better is claimed
-- column own: difference in total reward in the family learned in, mean
-- column own_low: difference in total reward in the family learned in, lower end of its 95 % interval
-- column own_high: difference in total reward in the family learned in, upper end of its 95 % interval
-- column auc_in_slate_gain: difference in auc_in_slate on people's own answers, mean
-- column auc_in_slate_gain_low: difference in auc_in_slate on people's own answers, lower end of its 95 % interval
-- column auc_in_slate_gain_high: difference in auc_in_slate on people's own answers, upper end of its 95 % interval
-- column ndcg_in_slate_gain: difference in ndcg_in_slate on people's own answers, mean
-- column ndcg_in_slate_gain_low: difference in ndcg_in_slate on people's own answers, lower end of its 95 % interval
-- column ndcg_in_slate_gain_high: difference in ndcg_in_slate on people's own answers, upper end of its 95 % interval
CREATE TABLE claims (
    release_id BIGINT NOT NULL,
    policy VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,
    reference VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    panel DOUBLE,
    panel_low DOUBLE,
    panel_high DOUBLE,
    worst_family VARCHAR,
    worst_share DOUBLE,
    own DOUBLE,
    own_low DOUBLE,
    own_high DOUBLE,
    auc_in_slate_gain DOUBLE,
    auc_in_slate_gain_low DOUBLE,
    auc_in_slate_gain_high DOUBLE,
    ndcg_in_slate_gain DOUBLE,
    ndcg_in_slate_gain_low DOUBLE,
    ndcg_in_slate_gain_high DOUBLE
);

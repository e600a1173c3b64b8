-- migration: 0002_judges_of_families
-- from: ee9249092ef3
-- to: c2327d28148a
-- doc: 0.2 to the judges of several families: all simulators so far were of the family attention, and sessions could show items again. The share of places without support was not counted and stays empty. Policies stay, but none is published: their state has no refusals, so that they cannot be loaded any more.
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
ALTER TABLE simulators ADD COLUMN family VARCHAR;
UPDATE simulators SET family = 'attention';
ALTER TABLE evaluations ADD COLUMN family VARCHAR;
ALTER TABLE evaluations ADD COLUMN repeats VARCHAR;
ALTER TABLE evaluations ADD COLUMN unsupported_share DOUBLE;
UPDATE evaluations SET family = 'attention', repeats = 'allowed';
ALTER TABLE experiments ADD COLUMN family VARCHAR;
ALTER TABLE experiments ADD COLUMN unsupported_share DOUBLE;
UPDATE experiments SET family = 'attention';
UPDATE policies SET is_published = false;

-- example: claims_of_last_retrain
-- reads: claims
-- doc: What may be said of the policies of the last retrain beside another method, and by which figures?
SELECT
    policy,
    reference,
    verdict,
    round(panel, 2) AS panel,
    round(panel_low, 2) AS panel_low,
    round(panel_high, 2) AS panel_high,
    worst_family,
    round(worst_share, 3) AS worst_share,
    round(own, 2) AS own,
    round(auc_in_slate_gain, 4) AS auc_in_slate_gain,
    round(ndcg_in_slate_gain, 4) AS ndcg_in_slate_gain
FROM claims
WHERE release_id = (SELECT max(release_id) FROM claims)
ORDER BY policy, policy_id, reference;

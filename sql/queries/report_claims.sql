-- query: report_claims
-- reads: claims, evaluations
-- doc: What may be said of the policies of the last retrain beside another method.
SELECT claims.*
FROM claims
WHERE claims.release_id = (SELECT max(release_id) FROM evaluations)
ORDER BY claims.policy, claims.policy_id, claims.reference;

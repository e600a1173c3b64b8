-- query: report_real_answers
-- reads: real_answers
-- doc: How policies rank what people were really shown, from release $since on and of the last retrain in any case.
SELECT release_id, policy, policy_id, seed, metric, value, ci_low, ci_high, n_users
FROM real_answers
WHERE release_id >= $since OR release_id = (SELECT max(release_id) FROM real_answers)
ORDER BY release_id, metric, policy, policy_id, seed;

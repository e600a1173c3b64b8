-- example: evaluations_of_last_retrain
-- reads: evaluations
-- doc: How does the policy of the last retrain compare with its reference rows, simulator by simulator?
SELECT simulator_id, family, kind, policy, seed, total_reward, ci_low, ci_high, depth, distinct_items, gini, unsupported_share
FROM evaluations
WHERE release_id = (SELECT max(release_id) FROM evaluations)
ORDER BY simulator_id, total_reward DESC, policy, seed;

-- example: panel_of_last_retrain
-- reads: evaluations
-- doc: What does each family of simulated users make of each row of the last retrain, and how many shown places have no support in the log?
SELECT
    policy,
    seed,
    family,
    count(*) AS n_simulators,
    round(avg(total_reward), 2) AS total_reward,
    round(avg(unsupported_share), 3) AS unsupported_share
FROM evaluations
WHERE
    release_id = (SELECT max(release_id) FROM evaluations)
    AND kind <> 'own'
    AND NOT contains(simulator_id, '+')
GROUP BY policy, seed, family
ORDER BY family, total_reward DESC, policy, seed;

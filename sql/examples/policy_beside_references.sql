-- example: policy_beside_references
-- reads: evaluations
-- doc: By how much is the newest policy better than each reference row, in each family of simulated users?
WITH last AS (
    SELECT policy, simulator_id, family, kind, total_reward
    FROM evaluations
    WHERE release_id = (SELECT max(release_id) FROM evaluations) AND NOT contains(simulator_id, '+')
)

SELECT
    reference.policy AS reference,
    trained.kind,
    trained.family,
    count(*) AS n_simulators,
    round(avg(trained.total_reward), 2) AS policy_reward,
    round(avg(reference.total_reward), 2) AS reference_reward,
    round(avg(trained.total_reward - reference.total_reward), 2) AS difference
FROM last AS trained
INNER JOIN last AS reference ON reference.simulator_id = trained.simulator_id AND reference.kind = 'reference'
WHERE trained.kind <> 'reference'
GROUP BY reference.policy, trained.kind, trained.family
ORDER BY difference DESC, reference.policy, trained.kind, trained.family;

-- example: reward_by_release
-- reads: evaluations, releases
-- doc: How did the policy's reward, and that of reference rows beside it, change from release to release? Families of one kind weigh alike.
WITH by_family AS (
    SELECT release_id, kind, policy, family, avg(total_reward) AS reward
    FROM evaluations
    WHERE NOT contains(simulator_id, '+')
    GROUP BY release_id, kind, policy, family
)

SELECT
    by_family.release_id,
    any_value(releases.created_at) AS created_at,
    round(avg(by_family.reward) FILTER (by_family.kind = 'panel'), 2) AS policy_panel,
    round(avg(by_family.reward) FILTER (by_family.kind = 'transferred'), 2) AS policy_transferred,
    round(avg(by_family.reward) FILTER (by_family.kind = 'own'), 2) AS policy_own,
    round(avg(by_family.reward) FILTER (by_family.policy = 'popular slate'), 2) AS popular_slate,
    round(avg(by_family.reward) FILTER (by_family.policy = 'random'), 2) AS random
FROM by_family
INNER JOIN releases ON releases.release_id = by_family.release_id
GROUP BY by_family.release_id
ORDER BY by_family.release_id DESC;

-- example: reward_by_release
-- reads: evaluations, releases
-- doc: How did the policy's reward, and that of the best reference row beside it, change from release to release?
SELECT
    evaluations.release_id,
    any_value(releases.created_at) AS created_at,
    round(avg(total_reward) FILTER (kind_of = 'transferred'), 2) AS policy_transferred,
    round(avg(total_reward) FILTER (kind_of = 'own'), 2) AS policy_own,
    round(avg(total_reward) FILTER (policy = 'popular slate'), 2) AS popular_slate,
    round(avg(total_reward) FILTER (policy = 'random'), 2) AS random
FROM (SELECT *, kind AS kind_of FROM evaluations) AS evaluations
INNER JOIN releases ON releases.release_id = evaluations.release_id
GROUP BY evaluations.release_id
ORDER BY evaluations.release_id DESC;

-- audit: policy_not_worse
-- severity: block
-- reads: policies, evaluations, releases
-- doc: A policy that this release publishes is not worse than the incumbent beside it beyond both 95 % intervals, in all simulators they share taken together; and at most one policy is published for a codebook.
-- Kinds transferred and panel: the incumbent is played where the gate decides, in the panel where there is one. Its row of all simulators
-- has the ids of them all, joined by +, so that it is the longest; a single family may fall where the panel as a whole does not.
WITH newest AS (
    SELECT policy_id, release_id
    FROM policies
    WHERE is_published AND release_id = (SELECT max(release_id) FROM releases)
),

incumbent AS (
    SELECT release_id, simulator_id, total_reward, ci_low
    FROM evaluations
    WHERE policy = 'incumbent'
    QUALIFY row_number() OVER (PARTITION BY release_id ORDER BY length(simulator_id) DESC, simulator_id) = 1
)

SELECT trained.policy_id, trained.simulator_id, trained.total_reward, incumbent.total_reward AS incumbent_reward, 'worse' AS fault
FROM newest
INNER JOIN evaluations AS trained
    ON trained.release_id = newest.release_id AND trained.policy_id = newest.policy_id AND trained.kind IN ('transferred', 'panel')
    AND trained.policy <> 'incumbent'
INNER JOIN incumbent
    ON incumbent.release_id = newest.release_id AND incumbent.simulator_id = trained.simulator_id
WHERE trained.ci_high < incumbent.ci_low OR isnan(trained.total_reward)
UNION ALL
SELECT min(policy_id), codebook_id, NULL, count(*), 'published beside another'
FROM policies
WHERE is_published
GROUP BY codebook_id
HAVING count(*) > 1;

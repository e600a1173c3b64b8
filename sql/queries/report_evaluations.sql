-- query: report_evaluations
-- reads: evaluations
-- doc: Every judgement from release $since on, and those of the last retrain in any case; the row of all simulators has the ids of them all, joined by +.
SELECT
    release_id,
    policy,
    policy_id,
    seed,
    kind,
    simulator_id,
    family,
    n_sessions,
    total_reward,
    ci_low,
    ci_high,
    depth,
    unsupported_share
FROM evaluations
WHERE release_id >= $since OR release_id = (SELECT max(release_id) FROM evaluations)
ORDER BY release_id, policy, policy_id, seed, kind, simulator_id;

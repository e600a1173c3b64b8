-- query: report_curves
-- reads: training_curves, policies
-- doc: The training of the newest policy: every figure at every iteration.
SELECT training_curves.policy_id, training_curves.metric, training_curves.iteration, training_curves.value
FROM training_curves
WHERE training_curves.policy_id = (SELECT policy_id FROM policies ORDER BY release_id DESC, policy_id LIMIT 1)
ORDER BY training_curves.metric, training_curves.iteration;

-- query: facts_of_simulator
-- reads: simulators
-- doc: What was noted of a simulator ($id: an artifact_id) when it was fitted.
SELECT preset, fit_on, seed, auc, judged_on, release_id
FROM simulators
WHERE artifact_id = $id;

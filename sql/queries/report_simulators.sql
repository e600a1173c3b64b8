-- query: report_simulators
-- reads: simulators, evaluations
-- doc: The simulators that the last retrain judged in, learned in, or made.
SELECT DISTINCT
    simulators.family,
    simulators.fit_on,
    simulators.seed,
    simulators.judged_on,
    simulators.auc,
    simulators.ece,
    simulators.n_records,
    simulators.release_id,
    simulators.simulator_id
FROM simulators
INNER JOIN evaluations ON evaluations.simulator_id = simulators.simulator_id
WHERE evaluations.release_id = (SELECT max(release_id) FROM evaluations)
ORDER BY simulators.fit_on DESC, simulators.family, simulators.seed, simulators.simulator_id;

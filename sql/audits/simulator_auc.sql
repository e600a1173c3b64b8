-- audit: simulator_auc
-- severity: block
-- reads: simulators, releases
-- doc: A simulator that predicts no better than chance teaches nothing.
SELECT simulator_id, preset, fit_on, judged_on, auc
FROM simulators
WHERE release_id = (SELECT max(release_id) FROM releases) AND (isnan(auc) OR auc <= 0.5);

-- audit: temper_law
-- severity: block
-- reads: evaluations, releases
-- doc: By the leave model every finished session obeys (1 + K) · depth - K · total_reward > 19 (reward without transform, initial temper 20); a table that does not was not played by these rules.
SELECT policy, simulator_id, slate_size, depth, total_reward, temper_law
FROM evaluations
WHERE
    release_id = (SELECT max(release_id) FROM releases)
    AND NOT ((1 + slate_size) * depth - slate_size * total_reward > 19 AND isfinite(total_reward));

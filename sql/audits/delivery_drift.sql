-- audit: delivery_drift
-- severity: block
-- reads: delivery_drift, releases
-- doc: No delivery of this release differs from the last ones as a broken export does: nearly no positives, all ids new, a fiftieth of the rows ([deliveries] share_block, count_block). A change that is meant is accepted by name, which the release's configuration records.
-- advice: if it is meant, go on with: hsrl refresh --accept delivery_drift
SELECT delivery_drift.finding
FROM delivery_drift
INNER JOIN releases ON releases.release_id = delivery_drift.release_id
WHERE
    delivery_drift.release_id = (SELECT max(release_id) FROM releases)
    AND delivery_drift.level = 'block'
    AND NOT coalesce(list_contains((releases.config->'$.accepted')::VARCHAR[], 'delivery_drift'), false);

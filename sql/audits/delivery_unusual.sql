-- audit: delivery_unusual
-- severity: warn
-- reads: delivery_drift, releases
-- doc: Deliveries of this release that differ from the last ones by more than is usual ([deliveries] share_warn, count_warn); published, and told in the report.
SELECT finding
FROM delivery_drift
WHERE release_id = (SELECT max(release_id) FROM releases) AND level <> 'ok';

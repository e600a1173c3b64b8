-- query: report_drift
-- reads: delivery_drift, ingests
-- doc: Figures of every delivery from release $since on beside what was usual, in the order in which they came.
SELECT
    delivery_drift.release_id,
    delivery_drift.delivery_id,
    ingests.sequence,
    delivery_drift.figure,
    delivery_drift.value,
    delivery_drift.usual,
    delivery_drift.level,
    delivery_drift.finding
FROM delivery_drift
INNER JOIN ingests ON ingests.ingest_id = delivery_drift.ingest_id
WHERE delivery_drift.release_id >= $since
ORDER BY ingests.sequence, delivery_drift.figure;

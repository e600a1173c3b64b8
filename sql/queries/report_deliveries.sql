-- query: report_deliveries
-- reads: ingests
-- doc: What each delivery from release $since on brought, in the order in which they came.
SELECT
    ingest_id,
    release_id,
    source,
    delivery_id,
    n_rows,
    n_accepted,
    n_rejected,
    n_known,
    n_late,
    n_positives,
    n_users,
    n_new_users,
    n_items,
    n_new_items
FROM ingests
WHERE release_id >= $since
ORDER BY sequence, ingest_id;

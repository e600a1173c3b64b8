-- example: rows_by_delivery
-- reads: ingests
-- doc: What did each delivery bring, and how much of it was refused or known already?
SELECT
    release_id,
    source,
    delivery_id,
    n_rows,
    n_accepted,
    n_rejected,
    n_known,
    round(n_rejected / n_rows, 4) AS rejected_share
FROM ingests
ORDER BY release_id DESC, source, delivery_id;

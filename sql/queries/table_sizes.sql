-- query: table_sizes
-- reads: events, record_rows, items, users, sid_history, quarantine
-- doc: Rows of the main tables. A record has a split, and a Semantic ID is open, without the join that the views records and sids make.
SELECT
    (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM record_rows) AS records,
    (SELECT count(*) FROM items) AS items,
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM sid_history WHERE valid_to IS NULL) AS sids,
    (SELECT count(*) FROM quarantine) AS quarantine;

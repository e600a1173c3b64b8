-- model: ingests
-- grain: ingest_id
-- doc: One delivery that was taken in; n_rows = n_accepted + n_rejected + n_known.
-- column ingest_id: the ingest that brought the row; see ingests
-- column source: name of the source in the configuration
-- column delivery_id: the delivery the file arrived with, such as a day
-- column sequence: number of the delivery in the warehouse, 0 = first
-- column n_rows: raw rows read
-- column n_accepted: rows that became events
-- column n_rejected: rows in quarantine
-- column n_known: rows the warehouse already had
-- column n_late: events that came before some of their user that the warehouse had
-- column n_positives: events with feedback 1
-- column n_users: users of its events
-- column n_new_users: … that had no event before
-- column n_items: items of its events
-- column n_new_items: … that were in no catalogue and no event before
-- column replaces: ingests of the same delivery whose events went, as it was corrected
-- column release_id: the release, 1 = first
CREATE TABLE ingests (
    ingest_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    delivery_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    n_rows BIGINT NOT NULL,
    n_accepted BIGINT NOT NULL,
    n_rejected BIGINT NOT NULL,
    n_known BIGINT NOT NULL,
    n_late BIGINT NOT NULL,
    n_positives BIGINT NOT NULL,
    n_users BIGINT NOT NULL,
    n_new_users BIGINT NOT NULL,
    n_items BIGINT NOT NULL,
    n_new_items BIGINT NOT NULL,
    replaces VARCHAR[] NOT NULL,
    release_id BIGINT NOT NULL
);

-- model: ingests
-- grain: ingest_id
-- doc: One delivery that was taken in; n_rows = n_accepted + n_rejected + n_known.
CREATE TABLE ingests (
    ingest_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    delivery_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    n_rows BIGINT NOT NULL,
    n_accepted BIGINT NOT NULL,
    n_rejected BIGINT NOT NULL,
    n_known BIGINT NOT NULL,
    n_positives BIGINT NOT NULL,
    n_users BIGINT NOT NULL,
    n_new_users BIGINT NOT NULL,
    n_items BIGINT NOT NULL,
    n_new_items BIGINT NOT NULL,
    release_id BIGINT NOT NULL
);

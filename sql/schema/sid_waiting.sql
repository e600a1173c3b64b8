-- model: sid_waiting
-- grain: item_id
-- doc: One item that keeps a Semantic ID which no longer fits, as others were more in need of the moves that a night may make.
CREATE TABLE sid_waiting (
    item_id BIGINT NOT NULL,
    sid VARCHAR NOT NULL,
    recon_error FLOAT NOT NULL,
    best_error FLOAT NOT NULL,
    since_release BIGINT NOT NULL,
    n_nights BIGINT NOT NULL,
    release_id BIGINT NOT NULL
);

-- model: sid_waiting
-- grain: item_id
-- doc: One item that keeps a Semantic ID which no longer fits, as others were more in need of the moves that a night may make.
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column sid: the Semantic ID as text, 12-203-7
-- column recon_error: ‖x − dec(tokens)‖², squared units of the codebook's input
-- column best_error: ‖x − dec(tokens)‖² of the Semantic ID it would move to
-- column since_release: the release in which it first had to wait, without a break since
-- column n_nights: refreshes in which it had to wait, without a break, this one among them
-- column release_id: the release, 1 = first
CREATE TABLE sid_waiting (
    item_id BIGINT NOT NULL,
    sid VARCHAR NOT NULL,
    recon_error FLOAT NOT NULL,
    best_error FLOAT NOT NULL,
    since_release BIGINT NOT NULL,
    n_nights BIGINT NOT NULL,
    release_id BIGINT NOT NULL
);

-- model: sid_history
-- grain: item_id, codebook_id, valid_from
-- doc: One item's Semantic ID while it held; sids are its open rows.
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column codebook_id: fingerprint of the frozen codebook
-- column tokens: the Semantic ID: one code a level, coarsest first
-- column sid: the Semantic ID as text, 12-203-7
-- column sid_key: the Semantic ID as one number, mixed radix, level 1 most significant
-- column slot: rank of the item inside a shared Semantic ID; never reused
-- column valid_from: first release in which the row holds
-- column valid_to: first release in which it no longer holds; empty while it does
-- column assigned_by: greedy, fallback (greedy, without signal), beam or suffix (nearest with room), or its old SID: incumbent (nearest), hysteresis (near enough), deferred (others were more in need of a move)
-- column reason: why, in a few words that group well
-- column recon_error: ‖x − dec(tokens)‖², squared units of the codebook's input
-- column is_ood: true where recon_error lies above the 99.9 % quantile seen when the codebook was learned
CREATE TABLE sid_history (
    item_id BIGINT NOT NULL,
    codebook_id VARCHAR NOT NULL,
    tokens USMALLINT[] NOT NULL,
    sid VARCHAR NOT NULL,
    sid_key UBIGINT NOT NULL,
    slot UINTEGER NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    assigned_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    recon_error FLOAT NOT NULL,
    is_ood BOOLEAN NOT NULL
);

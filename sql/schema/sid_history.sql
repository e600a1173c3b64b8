-- model: sid_history
-- grain: item_id, codebook_id, valid_from
-- doc: One item's Semantic ID while it held; sids are its open rows.
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

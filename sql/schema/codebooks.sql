-- model: codebooks
-- grain: codebook_id, level, code
-- doc: One code.
CREATE TABLE codebooks (
    codebook_id VARCHAR NOT NULL,
    numbering_id VARCHAR NOT NULL,
    embedding_id VARCHAR NOT NULL,
    level UTINYINT NOT NULL,
    code USMALLINT NOT NULL,
    centroid FLOAT[] NOT NULL,
    n_items BIGINT NOT NULL,
    ood_error FLOAT NOT NULL
);

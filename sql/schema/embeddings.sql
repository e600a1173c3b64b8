-- model: embeddings
-- grain: embedding_id, item_id
-- doc: One item in one embedding model.
-- column embedding_id: the frozen embedding model (basis, weights, standardisation)
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column vector: d coordinates, unitless
-- column has_signal: false where the vector is the content fall-back or zero
CREATE TABLE embeddings (
    embedding_id VARCHAR NOT NULL,
    item_id BIGINT NOT NULL,
    vector FLOAT[] NOT NULL,
    has_signal BOOLEAN NOT NULL
);

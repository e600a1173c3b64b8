-- model: embeddings
-- grain: embedding_id, item_id
-- doc: One item in one embedding model.
CREATE TABLE embeddings (
    embedding_id VARCHAR NOT NULL,
    item_id BIGINT NOT NULL,
    vector FLOAT[] NOT NULL,
    has_signal BOOLEAN NOT NULL
);

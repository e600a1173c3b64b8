-- model: items
-- grain: item_id
-- doc: One item of the catalogue.
CREATE TABLE items (
    item_id BIGINT NOT NULL,
    raw_id VARCHAR NOT NULL,
    title VARCHAR,
    categories VARCHAR[] NOT NULL,
    attributes VARCHAR,
    first_seen TIMESTAMP WITH TIME ZONE,
    last_seen TIMESTAMP WITH TIME ZONE,
    is_active BOOLEAN NOT NULL
);

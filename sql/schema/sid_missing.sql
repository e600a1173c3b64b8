-- model: sid_missing
-- grain: item_id
-- doc: One active item that has no Semantic ID, and why.
CREATE TABLE sid_missing (
    item_id BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

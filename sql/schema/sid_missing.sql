-- model: sid_missing
-- grain: item_id
-- doc: One active item that has no Semantic ID, and why.
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column reason: why, in a few words that group well
-- column release_id: the release, 1 = first
CREATE TABLE sid_missing (
    item_id BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

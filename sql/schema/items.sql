-- model: items
-- grain: item_id
-- doc: One item of the catalogue.
-- column item_id: the item; text ids are hashed to 63 bits, see raw_id
-- column raw_id: the id as the raw log spells it
-- column title: name of the item for people
-- column categories: categories of the item, coarsest first where they form a path
-- column attributes: what else the source tells, a JSON object of texts and numbers
-- column first_seen: time of the first event or listing; empty without times
-- column last_seen: time of the last event or listing; empty without times
-- column is_active: true while the item may be shown
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

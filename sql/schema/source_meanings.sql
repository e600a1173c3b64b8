-- model: source_meanings
-- grain: source, setting, release_id
-- doc: One setting that gives the rows of a source their meaning, and the release since which it holds.
CREATE TABLE source_meanings (
    source VARCHAR NOT NULL,
    setting VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

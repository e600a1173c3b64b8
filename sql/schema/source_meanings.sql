-- model: source_meanings
-- grain: source, setting, release_id
-- doc: One setting that gives the rows of a source their meaning, and the release since which it holds.
-- column source: name of the source in the configuration
-- column setting: name of the setting, such as source.time_unit; source.ids and source.times are decided by the first delivery
-- column value: its value, JSON
-- column release_id: the release, 1 = first
CREATE TABLE source_meanings (
    source VARCHAR NOT NULL,
    setting VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);

-- model: sid_metrics
-- grain: release_id, codebook_id, level, metric
-- doc: One figure of a release's Semantic IDs.
CREATE TABLE sid_metrics (
    release_id BIGINT NOT NULL,
    codebook_id VARCHAR NOT NULL,
    level UTINYINT NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);

-- model: sid_metrics
-- grain: release_id, codebook_id, level, metric
-- doc: One figure of a release's Semantic IDs.
-- column release_id: the release, 1 = first
-- column codebook_id: fingerprint of the frozen codebook
-- column level: level of the Semantic ID, 1 = coarsest (0 = all levels together)
-- column metric: name of the figure; see docs/metrics.md
-- column value: the figure
CREATE TABLE sid_metrics (
    release_id BIGINT NOT NULL,
    codebook_id VARCHAR NOT NULL,
    level UTINYINT NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);

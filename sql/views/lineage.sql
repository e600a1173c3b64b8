-- model: lineage
-- grain: artifact_id, input_id, input_path
-- reads: artifacts, ingest_files
-- doc: What each artifact was made from, one step back: another artifact, or a raw file with its hash.
CREATE OR REPLACE VIEW lineage AS
WITH edges AS (
    SELECT artifact_id, kind, path, release_id, unnest(list_distinct(inputs)) AS input_id
    FROM artifacts
)
SELECT
    edges.artifact_id,
    edges.kind,
    edges.path,
    edges.release_id,
    edges.input_id,
    CASE WHEN source.artifact_id IS NOT NULL THEN source.kind WHEN raw.ingest_id IS NOT NULL THEN 'raw file' END AS input_kind,
    coalesce(source.path, raw.file) AS input_path,
    coalesce(source.sha256, raw.sha256) AS input_sha256
FROM edges
LEFT JOIN artifacts AS source ON source.artifact_id = edges.input_id
LEFT JOIN ingest_files AS raw ON raw.ingest_id = edges.input_id;

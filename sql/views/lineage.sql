-- model: lineage
-- grain: none
-- reads: artifacts, ingests, ingest_files, codebooks, sid_history, simulators, policies, releases
-- doc: What everything was made from, one step back: ingests of raw files with their hashes, vectors of the files that people bring, artifacts of ingests and artifacts, all records up to a release (records:12) of its ingests and record files and of the records before, codebooks of embedding models, policies of codebooks and simulators, simulators that answer otherwise with the tensors of another of that one, releases (release:12) of all that and of their parent. Only releases name releases, and nothing leads back to itself. hsrl trace walks it.
CREATE OR REPLACE VIEW lineage AS
WITH record_nights AS (
    SELECT release_id, lag(release_id) OVER (ORDER BY release_id) AS before_id
    FROM ingests
    GROUP BY release_id
),

nodes AS (
    SELECT artifact_id AS id, kind, path AS name, sha256, release_id
    FROM artifacts
    UNION ALL
    SELECT simulator_id, 'simulator', family, NULL, release_id
    FROM simulators
    WHERE simulator_id <> artifact_id
    UNION ALL
    SELECT ingest_id, 'ingest', source || ', ' || delivery_id, NULL, release_id
    FROM ingests
    UNION ALL
    SELECT codebook_id, 'codebook', codebook_id, NULL, min(valid_from)
    FROM sid_history
    GROUP BY codebook_id
    UNION ALL
    SELECT 'release:' || release_id, 'release', kind || ' by ' || run_id, NULL, release_id
    FROM releases
    UNION ALL
    SELECT 'records:' || release_id, 'records', 'up to release ' || release_id, NULL, release_id
    FROM record_nights
    UNION ALL
    SELECT DISTINCT 'raw:' || sha256, 'raw file', file, sha256, NULL::BIGINT
    FROM ingest_files
    UNION ALL
    SELECT DISTINCT input_id, 'raw file', 'brought vectors', substr(input_id, 5), NULL::BIGINT
    FROM (SELECT unnest(inputs) AS input_id FROM artifacts)
    WHERE starts_with(input_id, 'raw:')
),

edges AS (
    SELECT artifact_id AS id, unnest(inputs) AS input_id
    FROM artifacts
    UNION
    SELECT ingest_id, 'raw:' || sha256
    FROM ingest_files
    UNION
    SELECT 'records:' || release_id, 'records:' || before_id
    FROM record_nights
    UNION
    SELECT 'records:' || release_id, ingest_id
    FROM ingests
    UNION
    SELECT 'records:' || release_id, artifact_id
    FROM artifacts
    WHERE kind = 'record_rows'
    UNION
    SELECT codebook_id, embedding_id
    FROM codebooks
    UNION
    SELECT simulator_id, artifact_id
    FROM simulators
    WHERE simulator_id <> artifact_id
    UNION
    SELECT artifact_id, unnest(list_append(simulator_ids, codebook_id))
    FROM policies
    UNION
    SELECT 'release:' || release_id, unnest(list_append(inputs, 'release:' || parent_id))
    FROM releases
    UNION
    SELECT 'release:' || release_id, artifact_id
    FROM artifacts
    WHERE len(inputs) > 0 -- not the files that DuckLake wrote itself
)

SELECT
    nodes.id,
    nodes.kind,
    nodes.name,
    nodes.release_id,
    edges.input_id,
    source.kind AS input_kind,
    source.name AS input_name,
    source.sha256 AS input_sha256
FROM nodes
INNER JOIN edges ON edges.id = nodes.id
INNER JOIN nodes AS source ON source.id = edges.input_id;

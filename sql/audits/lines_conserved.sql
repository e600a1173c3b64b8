-- audit: lines_conserved
-- severity: block
-- reads: ingest_lines, ingests, quarantine, events, releases
-- doc: Of every raw file of this release, physical lines (counted from the bytes) = header + blank + continued + rows; rejected rows are in quarantine; and all rows of event files = events stored + rejected + known.
WITH fresh AS (
    SELECT ingest_id
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

kept AS (
    SELECT ingest_id, file, count(raw || reason) AS n_kept
    FROM quarantine
    WHERE ingest_id IN (SELECT ingest_id FROM fresh)
    GROUP BY ingest_id, file
),

files AS (
    SELECT
        ingest_id,
        file,
        sum(n_lines) AS n_lines,
        sum(n_header + n_blank + n_continued + n_rows) AS n_told,
        sum(n_rejected) AS n_rejected
    FROM ingest_lines
    WHERE ingest_id IN (SELECT ingest_id FROM fresh)
    GROUP BY ingest_id, file
),

deliveries AS (
    SELECT ingest_id, sum(n_rows - n_rejected - n_known) AS n_taken
    FROM ingest_lines
    WHERE content = 'events' AND ingest_id IN (SELECT ingest_id FROM fresh)
    GROUP BY ingest_id
),

stored AS (
    SELECT ingest_id, count(user_id::DOUBLE + item_id::DOUBLE) AS n_events
    FROM events
    WHERE ingest_id IN (SELECT ingest_id FROM fresh)
    GROUP BY ingest_id
)

SELECT files.ingest_id, files.file, 'lines are not accounted for' AS fault, n_lines AS n_expected, n_told AS n_found
FROM files
WHERE n_lines <> n_told
UNION ALL
SELECT
    coalesce(files.ingest_id, kept.ingest_id),
    coalesce(files.file, kept.file),
    'rejected rows are not those in quarantine',
    coalesce(n_rejected, 0),
    coalesce(n_kept, 0)
FROM files
FULL JOIN kept ON files.ingest_id = kept.ingest_id AND files.file = kept.file
WHERE coalesce(n_rejected, 0) <> coalesce(n_kept, 0)
UNION ALL
SELECT deliveries.ingest_id, NULL, 'rows of the files are not those stored', n_taken, coalesce(n_events, 0)
FROM deliveries
LEFT JOIN stored ON deliveries.ingest_id = stored.ingest_id
WHERE n_taken <> coalesce(n_events, 0)
ORDER BY ALL;

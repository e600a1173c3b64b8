-- query: report_disk
-- reads: artifacts
-- doc: Bytes that each release added, by table or kind, of the files that are kept now.
SELECT release_id, kind, sum(bytes)::BIGINT AS n_bytes, count(*) AS n_files, sum(rows)::BIGINT AS n_rows
FROM artifacts
GROUP BY release_id, kind
ORDER BY release_id, kind;

-- example: stored_bytes
-- reads: artifacts
-- doc: What takes how much room, by kind?
SELECT kind, count(*) AS n, sum(bytes) AS bytes, sum(rows) AS n_rows, max(release_id) AS last_release
FROM artifacts
GROUP BY kind
ORDER BY bytes DESC, kind;

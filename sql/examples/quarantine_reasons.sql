-- example: quarantine_reasons
-- reads: quarantine
-- doc: What was not accepted, why, and where is an example?
SELECT reason, file, count(*) AS n_rows, min(line) AS first_line, arg_min(raw, line) AS example
FROM quarantine
GROUP BY reason, file
ORDER BY n_rows DESC, reason, file;

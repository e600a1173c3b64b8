-- query: audit_warnings
-- reads: audits
-- doc: What the audits that only warn found in run $run, a row for each example.
SELECT audit, unnest(examples) AS example
FROM audits
WHERE run_id = $run AND severity = 'warn' AND n_offenders > 0;

-- query: report_audits
-- reads: audits
-- doc: What the audits of the runs $runs found, a row an audit that found something, those that refuse a release first.
SELECT run_id, audit, severity, n_offenders, examples
FROM audits
WHERE run_id IN (SELECT unnest($runs::VARCHAR[])) AND n_offenders > 0
ORDER BY run_id, severity, audit;

-- example: failed_audits
-- reads: audits, runs
-- doc: Which audits found offenders lately, in which run, and what did one look like?
SELECT audits.checked_at, audits.run_id, audits.audit, audits.severity, audits.n_offenders, audits.examples[1] AS example, runs.status
FROM audits
LEFT JOIN runs ON runs.run_id = audits.run_id
WHERE audits.n_offenders > 0
ORDER BY audits.checked_at DESC, audits.audit
LIMIT 50;

-- model: audits
-- grain: run_id, release_id, audit
-- doc: One audit of one release, also of a refused one.
-- column run_id: the run
-- column release_id: the release it judged, published or not
-- column audit: name of the file in sql/audits
-- column severity: block or warn
-- column n_offenders: offending rows
-- column examples: at most 20 of them, JSON objects
-- column checked_at: when, UTC
CREATE TABLE audits (
    run_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL,
    audit VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    n_offenders BIGINT NOT NULL,
    examples VARCHAR[] NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE NOT NULL
);

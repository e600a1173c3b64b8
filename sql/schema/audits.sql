-- model: audits
-- grain: run_id, release_id, audit
-- doc: One audit of one release, also of a refused one.
CREATE TABLE audits (
    run_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL,
    audit VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    n_offenders BIGINT NOT NULL,
    examples VARCHAR[] NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE NOT NULL
);

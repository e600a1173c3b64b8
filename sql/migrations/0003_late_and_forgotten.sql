-- migration: 0003_late_and_forgotten
-- from: c2327d28148a
-- to: 933fe0f997e6
-- doc: Late events, corrected days and the forgotten: nobody was laid out anew before, no delivery took another's place, and late events went to quarantine (hsrl requeue reads them again).
CREATE TABLE rebuilt_users (
    user_id BIGINT NOT NULL,
    ingest_id VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);
CREATE TABLE forgotten (
    kind VARCHAR NOT NULL,
    id_sha256 VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);
ALTER TABLE ingests ADD COLUMN n_late BIGINT;
ALTER TABLE ingests ADD COLUMN replaces VARCHAR[];
UPDATE ingests
SET n_late = 0, replaces = [];

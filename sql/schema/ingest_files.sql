-- model: ingest_files
-- grain: ingest_id, file
-- doc: One raw file of a delivery that was taken in.
CREATE TABLE ingest_files (
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    bytes BIGINT NOT NULL
);

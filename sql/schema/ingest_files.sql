-- model: ingest_files
-- grain: ingest_id, file
-- doc: One raw file of a delivery that was taken in.
-- column ingest_id: the ingest that brought the row; see ingests
-- column file: raw file (and member of an archive), by name
-- column sha256: SHA-256 of the bytes, hexadecimal
-- column bytes: size in bytes
CREATE TABLE ingest_files (
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    bytes BIGINT NOT NULL
);

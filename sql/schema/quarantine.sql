-- model: quarantine
-- grain: none
-- doc: One raw row that was not accepted, and why.
-- column run_id: the run
-- column ingest_id: the ingest that brought the row; see ingests
-- column file: raw file (and member of an archive), by name
-- column line: line (text files, 1 = first) or row (Parquet, 0 = first) in the raw file
-- column raw: the raw row as text, at most 500 characters
-- column reason: why, in a few words that group well
CREATE TABLE quarantine (
    run_id VARCHAR NOT NULL,
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    line BIGINT NOT NULL,
    raw VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);

-- model: ingest_lines
-- grain: ingest_id, file, content
-- doc: What became of the physical lines of a raw text, or of the rows of a Parquet file: n_lines = n_header + n_blank + n_continued + n_rows, and n_rows = events + n_rejected + n_known.
CREATE TABLE ingest_lines (
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    n_lines BIGINT NOT NULL,
    n_header BIGINT NOT NULL,
    n_blank BIGINT NOT NULL,
    n_continued BIGINT NOT NULL,
    n_rows BIGINT NOT NULL,
    n_rejected BIGINT NOT NULL,
    n_known BIGINT NOT NULL,
    n_open BIGINT NOT NULL
);

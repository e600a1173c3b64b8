-- model: ingest_lines
-- grain: ingest_id, file, content
-- doc: What became of the lines of a raw text, or of the rows of a Parquet file: n_lines = n_header + n_blank + n_continued + n_rows.
-- column ingest_id: the ingest that brought the row; see ingests
-- column file: raw file (and member of an archive), by name
-- column content: what the file lists: events, items or users
-- column sha256: SHA-256 of the bytes, hexadecimal
-- column n_lines: physical lines of a text, counted from its bytes; rows of a Parquet file
-- column n_header: lines that name the columns
-- column n_blank: lines without text
-- column n_continued: lines that continue a field of the line before
-- column n_rows: rows, good and bad: n_lines - n_header - n_blank - n_continued
-- column n_rejected: rows put into quarantine
-- column n_known: rows that the warehouse had already, as events or in quarantine
-- column n_open: 1 where the last line has no line end and waits in quarantine
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

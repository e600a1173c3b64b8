-- model: dictionary
-- grain: none
-- doc: One table, column, view or macro of the warehouse.
CREATE TABLE dictionary (
    name VARCHAR NOT NULL,
    column_name VARCHAR,
    kind VARCHAR NOT NULL,
    type VARCHAR,
    doc VARCHAR NOT NULL
);

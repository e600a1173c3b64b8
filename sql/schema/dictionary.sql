-- model: dictionary
-- grain: none
-- doc: One table, column, view or macro of the warehouse.
-- column name: the table, view or macro
-- column column_name: the column; empty for the table, view or macro itself
-- column kind: table, column, view or macro
-- column type: SQL type of a column
-- column doc: what it means
CREATE TABLE dictionary (
    name VARCHAR NOT NULL,
    column_name VARCHAR,
    kind VARCHAR NOT NULL,
    type VARCHAR,
    doc VARCHAR NOT NULL
);

-- query: tables_and_views
-- reads: dictionary
-- doc: Every table, view and macro, and what it holds.
SELECT kind, name, doc
FROM dictionary
WHERE column_name IS NULL
ORDER BY kind, name;

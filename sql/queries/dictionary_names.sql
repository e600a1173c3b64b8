-- query: dictionary_names
-- reads: dictionary
-- doc: What can be asked by name, and how many of its columns the dictionary explains.
SELECT name, min(kind) AS kind, count(column_name) AS n_columns
FROM dictionary
GROUP BY name;

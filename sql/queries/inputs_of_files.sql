-- query: inputs_of_files
-- reads: artifacts
-- doc: What the registered files $paths were made from.
SELECT DISTINCT unnest(inputs) AS input
FROM artifacts
WHERE path IN (SELECT unnest($paths));

-- query: sources_of_ingests
-- reads: ingests
-- doc: The sources whose deliveries the release was made from, by their names in configurations.
SELECT DISTINCT source
FROM ingests
ORDER BY source;

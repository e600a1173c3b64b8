-- query: lineage_edges
-- reads: lineage
-- doc: Everything that was made from something, and what from, one step back.
SELECT id, kind, name, input_id, input_kind, input_name, input_sha256
FROM lineage;

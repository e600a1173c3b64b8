-- query: facts_of_release
-- reads: releases
-- doc: What the ledger says of a release ($id: release:12).
SELECT kind, parent_id, run_id, code_version, seed, created_at, config
FROM releases
WHERE 'release:' || release_id = $id;

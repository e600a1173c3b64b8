-- audit: keys_unique
-- severity: block
-- reads: items, users, splits, embeddings, codebooks, sid_history, sid_metrics, sid_missing, sid_waiting, releases, ingests, ingest_files, ingest_lines, source_meanings, artifacts, simulators, policies, evaluations, training_curves
-- doc: The key of every table tells its rows apart. (Events and record_rows have audits of their own.)
SELECT 'items' AS table_name, row(item_id)::VARCHAR AS key, count(*) AS n FROM items GROUP BY item_id HAVING count(*) > 1
UNION ALL
SELECT 'users', row(user_id)::VARCHAR, count(*) FROM users GROUP BY user_id HAVING count(*) > 1
UNION ALL
SELECT 'splits', row(user_id)::VARCHAR, count(*) FROM splits GROUP BY user_id HAVING count(*) > 1
UNION ALL
SELECT 'embeddings', row(embedding_id, item_id)::VARCHAR, count(*) FROM embeddings GROUP BY embedding_id, item_id HAVING count(*) > 1
UNION ALL
SELECT 'codebooks', row(codebook_id, level, code)::VARCHAR, count(*) FROM codebooks GROUP BY codebook_id, level, code HAVING count(*) > 1
UNION ALL
SELECT 'sid_history', row(item_id, codebook_id, valid_from)::VARCHAR, count(*)
FROM sid_history GROUP BY item_id, codebook_id, valid_from HAVING count(*) > 1
UNION ALL
SELECT 'sid_metrics', row(release_id, codebook_id, level, metric)::VARCHAR, count(*)
FROM sid_metrics GROUP BY release_id, codebook_id, level, metric HAVING count(*) > 1
UNION ALL
SELECT 'sid_missing', row(item_id)::VARCHAR, count(*) FROM sid_missing GROUP BY item_id HAVING count(*) > 1
UNION ALL
SELECT 'sid_waiting', row(item_id)::VARCHAR, count(*) FROM sid_waiting GROUP BY item_id HAVING count(*) > 1
UNION ALL
SELECT 'releases', row(release_id)::VARCHAR, count(*) FROM releases GROUP BY release_id HAVING count(*) > 1
UNION ALL
SELECT 'ingests', row(ingest_id)::VARCHAR, count(*) FROM ingests GROUP BY ingest_id HAVING count(*) > 1
UNION ALL
SELECT 'ingest_files', row(ingest_id, file)::VARCHAR, count(*) FROM ingest_files GROUP BY ingest_id, file HAVING count(*) > 1
UNION ALL
SELECT 'ingest_lines', row(ingest_id, file, content)::VARCHAR, count(*)
FROM ingest_lines GROUP BY ingest_id, file, content HAVING count(*) > 1
UNION ALL
SELECT 'source_meanings', row(source, setting, release_id)::VARCHAR, count(*)
FROM source_meanings GROUP BY source, setting, release_id HAVING count(*) > 1
UNION ALL
SELECT 'artifacts', row(artifact_id)::VARCHAR, count(*) FROM artifacts GROUP BY artifact_id HAVING count(*) > 1
UNION ALL
SELECT 'simulators', row(simulator_id)::VARCHAR, count(*) FROM simulators GROUP BY simulator_id HAVING count(*) > 1
UNION ALL
SELECT 'policies', row(policy_id)::VARCHAR, count(*) FROM policies GROUP BY policy_id HAVING count(*) > 1
UNION ALL
SELECT 'evaluations', row(release_id, policy, simulator_id, seed)::VARCHAR, count(*)
FROM evaluations GROUP BY release_id, policy, simulator_id, seed HAVING count(*) > 1
UNION ALL
SELECT 'training_curves', row(policy_id, iteration, metric)::VARCHAR, count(*)
FROM training_curves GROUP BY policy_id, iteration, metric HAVING count(*) > 1;

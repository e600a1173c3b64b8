-- audit: keys_unique
-- severity: block
-- reads: embeddings, items, users, splits, codebooks, sid_history, sid_metrics, sid_waiting, sid_missing, releases, ingests, ingest_files, ingest_lines, rebuilt_users, forgotten, source_meanings, artifacts, simulators, policies, evaluations, real_answers, claims, training_curves
-- doc: The key of every table tells its rows apart. (Events and record_rows have audits of their own.)
SELECT 'embeddings' AS table_name, row(embedding_id, item_id)::VARCHAR AS key, count(*) AS n
FROM embeddings
GROUP BY embedding_id, item_id
HAVING count(*) > 1
UNION ALL
SELECT 'items' AS table_name, row(item_id)::VARCHAR AS key, count(*) AS n
FROM items
GROUP BY item_id
HAVING count(*) > 1
UNION ALL
SELECT 'users' AS table_name, row(user_id)::VARCHAR AS key, count(*) AS n
FROM users
GROUP BY user_id
HAVING count(*) > 1
UNION ALL
SELECT 'splits' AS table_name, row(user_id)::VARCHAR AS key, count(*) AS n
FROM splits
GROUP BY user_id
HAVING count(*) > 1
UNION ALL
SELECT 'codebooks' AS table_name, row(codebook_id, level, code)::VARCHAR AS key, count(*) AS n
FROM codebooks
GROUP BY codebook_id, level, code
HAVING count(*) > 1
UNION ALL
SELECT 'sid_history' AS table_name, row(item_id, codebook_id, valid_from)::VARCHAR AS key, count(*) AS n
FROM sid_history
GROUP BY item_id, codebook_id, valid_from
HAVING count(*) > 1
UNION ALL
SELECT 'sid_metrics' AS table_name, row(release_id, codebook_id, level, metric)::VARCHAR AS key, count(*) AS n
FROM sid_metrics
GROUP BY release_id, codebook_id, level, metric
HAVING count(*) > 1
UNION ALL
SELECT 'sid_waiting' AS table_name, row(item_id)::VARCHAR AS key, count(*) AS n
FROM sid_waiting
GROUP BY item_id
HAVING count(*) > 1
UNION ALL
SELECT 'sid_missing' AS table_name, row(item_id)::VARCHAR AS key, count(*) AS n
FROM sid_missing
GROUP BY item_id
HAVING count(*) > 1
UNION ALL
SELECT 'releases' AS table_name, row(release_id)::VARCHAR AS key, count(*) AS n
FROM releases
GROUP BY release_id
HAVING count(*) > 1
UNION ALL
SELECT 'ingests' AS table_name, row(ingest_id)::VARCHAR AS key, count(*) AS n
FROM ingests
GROUP BY ingest_id
HAVING count(*) > 1
UNION ALL
SELECT 'ingest_files' AS table_name, row(ingest_id, file)::VARCHAR AS key, count(*) AS n
FROM ingest_files
GROUP BY ingest_id, file
HAVING count(*) > 1
UNION ALL
SELECT 'ingest_lines' AS table_name, row(ingest_id, file, content)::VARCHAR AS key, count(*) AS n
FROM ingest_lines
GROUP BY ingest_id, file, content
HAVING count(*) > 1
UNION ALL
SELECT 'rebuilt_users' AS table_name, row(user_id, release_id)::VARCHAR AS key, count(*) AS n
FROM rebuilt_users
GROUP BY user_id, release_id
HAVING count(*) > 1
UNION ALL
SELECT 'forgotten' AS table_name, row(kind, id_sha256)::VARCHAR AS key, count(*) AS n
FROM forgotten
GROUP BY kind, id_sha256
HAVING count(*) > 1
UNION ALL
SELECT 'source_meanings' AS table_name, row(source, setting, release_id)::VARCHAR AS key, count(*) AS n
FROM source_meanings
GROUP BY source, setting, release_id
HAVING count(*) > 1
UNION ALL
SELECT 'artifacts' AS table_name, row(artifact_id)::VARCHAR AS key, count(*) AS n
FROM artifacts
GROUP BY artifact_id
HAVING count(*) > 1
UNION ALL
SELECT 'simulators' AS table_name, row(simulator_id)::VARCHAR AS key, count(*) AS n
FROM simulators
GROUP BY simulator_id
HAVING count(*) > 1
UNION ALL
SELECT 'policies' AS table_name, row(policy_id)::VARCHAR AS key, count(*) AS n
FROM policies
GROUP BY policy_id
HAVING count(*) > 1
UNION ALL
SELECT 'evaluations' AS table_name, row(release_id, policy, simulator_id, seed)::VARCHAR AS key, count(*) AS n
FROM evaluations
GROUP BY release_id, policy, simulator_id, seed
HAVING count(*) > 1
UNION ALL
SELECT 'real_answers' AS table_name, row(release_id, policy, seed, metric)::VARCHAR AS key, count(*) AS n
FROM real_answers
GROUP BY release_id, policy, seed, metric
HAVING count(*) > 1
UNION ALL
SELECT 'claims' AS table_name, row(release_id, policy_id, reference)::VARCHAR AS key, count(*) AS n
FROM claims
GROUP BY release_id, policy_id, reference
HAVING count(*) > 1
UNION ALL
SELECT 'training_curves' AS table_name, row(policy_id, iteration, metric)::VARCHAR AS key, count(*) AS n
FROM training_curves
GROUP BY policy_id, iteration, metric
HAVING count(*) > 1;

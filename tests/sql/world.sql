-- Two nights of a shop with slates of two. Night 1 (ingest i1) brings six events and four Semantic IDs; night 2 (i2) brings two
-- events, moves item 11 from 0-1 to 0-0 and closes item 13, which has left. Item 14 has no vector.
INSERT INTO releases VALUES
    (1, 'r1', 'refresh', NULL, '0.1', '{}', 7, ['i1'], '2026-01-01 02:00:00+00'),
    (2, 'r2', 'refresh', 1, '0.1', '{}', 7, ['i2'], '2026-01-02 02:00:00+00');
INSERT INTO ingests VALUES
    ('i1', 'shop', 'day 1', 0, 8, 6, 1, 1, 0, 4, 2, 2, 3, 3, [], 1),
    ('i2', 'shop', 'day 2', 1, 2, 2, 0, 0, 0, 1, 1, 0, 2, 0, [], 2);
INSERT INTO forgotten VALUES ('user', 'ff', 1);
INSERT INTO rebuilt_users VALUES (2, 'i1', 1);
INSERT INTO source_meanings VALUES ('shop', 'source.time_unit', '"s"', 1);
INSERT INTO ingest_files VALUES ('i1', 'day1.csv', 'aa', 100), ('i2', 'day2.csv', 'bb', 40);
INSERT INTO ingest_lines VALUES
    ('i1', 'day1.csv', 'events', 'aa', 10, 1, 1, 0, 8, 1, 1, 0), ('i2', 'day2.csv', 'events', 'bb', 3, 1, 0, 0, 2, 0, 0, 0);
INSERT INTO items VALUES
    (10, '10', 'Ten', ['a'], NULL, NULL, NULL, true),
    (11, '11', 'Eleven', ['b'], NULL, NULL, NULL, true),
    (12, '12', 'Twelve', ['b'], NULL, NULL, NULL, true),
    (13, '13', 'Thirteen', ['b'], NULL, NULL, NULL, false),
    (14, '14', 'Fourteen', ['b'], NULL, NULL, NULL, true);
INSERT INTO users VALUES (1, '1', NULL), (2, '2', NULL);
INSERT INTO events BY NAME
SELECT user_id, item_id, user_seq, feedback::UTINYINT AS feedback, 'shop' AS source, ingest_id
FROM (VALUES
    (1, 10, 0, 1, 'i1'), (1, 11, 1, 0, 'i1'), (1, 12, 2, 1, 'i1'), (1, 11, 3, 1, 'i1'),
    (2, 12, 0, 1, 'i1'), (2, 10, 1, 0, 'i1'), (2, 11, 2, 1, 'i2'), (2, 12, 3, 0, 'i2')
) AS shown (user_id, item_id, user_seq, feedback, ingest_id);
INSERT INTO record_rows BY NAME
SELECT user_id || '-' || record_index AS record_id, *
FROM (VALUES
    (1, 0, 0, [10, 11], [1, 0]::UTINYINT[], []::BIGINT[], 'i1'),
    (1, 1, 1, [12, 11], [1, 1]::UTINYINT[], [10]::BIGINT[], 'i1'),
    (2, 0, 0, [12, 10], [1, 0]::UTINYINT[], []::BIGINT[], 'i1'),
    (2, 1, 1, [11, 12], [1, 0]::UTINYINT[], [12]::BIGINT[], 'i2')
) AS slates (user_id, record_index, sequence_id, exposed_items, feedback, history, ingest_id);
INSERT INTO splits VALUES (1, 2, 1, 'per_user 0.8'), (2, 2, 1, 'per_user 0.8');
INSERT INTO embeddings VALUES ('e', 10, [0, 0], true), ('e', 11, [0, 1], true), ('e', 12, [1, 0], true), ('e', 13, [1, 1], false);
INSERT INTO codebooks VALUES
    ('c', 'c', 'e', 1, 0, [0, 0], 2, 1), ('c', 'c', 'e', 1, 1, [1, 0], 2, 1), ('c', 'c', 'e', 2, 0, [0, 0], 2, 1), ('c', 'c', 'e', 2, 1, [0, 1], 2, 1);
INSERT INTO sid_history VALUES
    (10, 'c', [0, 0], '0-0', 0, 0, 1, NULL, 'greedy', 'new', 0, false),
    (11, 'c', [0, 1], '0-1', 1, 0, 1, 2, 'greedy', 'new', 0, false),
    (11, 'c', [0, 0], '0-0', 0, 1, 2, NULL, 'greedy', 'moved', 0.5, false),
    (12, 'c', [1, 0], '1-0', 2, 0, 1, NULL, 'greedy', 'new', 0, false),
    (13, 'c', [1, 1], '1-1', 3, 0, 1, 2, 'greedy', 'new', 0, false);
INSERT INTO sid_waiting VALUES (11, '0-0', 1, 0, 2, 1, 2);
INSERT INTO sid_missing VALUES (14, 'no vector', 2);
INSERT INTO previous.sid_history BY NAME
SELECT * REPLACE (NULL AS valid_to) FROM sid_history WHERE valid_from = 1;
INSERT INTO previous.codebooks FROM codebooks;
INSERT INTO previous.events FROM events WHERE ingest_id = 'i1';
INSERT INTO previous.splits VALUES (1, 2, 1, 'per_user 0.8'), (2, 1, 1, 'per_user 0.8');
INSERT INTO sid_metrics VALUES (2, 'c', 0, 'mse', 0.1);
INSERT INTO artifacts VALUES
    ('a1', 'codebook', 'artifacts/codebook/a1', NULL, 10, 'cc', ['i1', 'i2'], 'r2', 2, '2026-01-02 02:00:00+00'),
    ('a2', 'simulator', 'artifacts/simulator/a2', NULL, 10, 'dd', ['a1'], 'r2', 2, '2026-01-02 02:00:00+00');
INSERT INTO simulators VALUES ('s1', 'latent', 'calibrated', 'train', 1, 2, 0.75, 0.01, 0.6, 0.5, 0.5, 'test', 'a2', '{}', 2);
INSERT INTO policies VALUES ('p1', 'hsrl', 'calibrated', 1, 'c', ['s1'], 10, 1.5, 'a3', '{}', true, 2);
INSERT INTO evaluations VALUES
    (2, 'hsrl', 'p1', 's1', 'latent', 'own', 'calibrated', 'never', 2, 0.1, 20, 20, 'e', 1, 100, 4, 1, 3.8, 4.2, 10, 0.2, 3, 0.1, 0, 22),
    (2, 'random', NULL, 's1', 'latent', 'reference', 'calibrated', 'never', 2, 0.1, 20, 20, 'e', 1, 100, 1, 1, 0.8, 1.2, 8, 0.2, 4, 0.0, 0, 22);
INSERT INTO real_answers VALUES
    (2, 'hsrl', 'p1', 1, 'auc_in_slate', 0.66, 0.64, 0.68, 2, 2), (2, 'item like-rate', NULL, NULL, 'auc_in_slate', 0.6, 0.58, 0.62, 2, 2);
INSERT INTO claims VALUES
    (2, 'hsrl', 'p1', 'item_sasrec', 'better', 0.5, 0.3, 0.7, 'trees', 0.02, 0.4, 0.2, 0.6, 0.01, 0.005, 0.015, 0.002, -0.001, 0.005);
INSERT INTO training_curves VALUES ('p1', 1, 'loss', 0.7);
INSERT INTO quarantine VALUES ('r1', 'i1', 'day1.csv', 7, '1,x,0', 'item is not a number');
INSERT INTO runs BY NAME SELECT 'r2' AS run_id, 'daily-refresh' AS flow, 'completed' AS status, '0.1' AS code_version, '{}' AS config, now() AS started_at,
    '{"ingest": 1.5, "semantic ids": 0.25}' AS stage_seconds;
INSERT INTO audits VALUES
    ('r2', 2, 'keys_unique', 'block', 0, [], now()), ('r2', 2, 'churn_budget', 'warn', 1, ['{"n":1}'], '2026-01-02 02:00:00+00');

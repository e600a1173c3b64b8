-- migration: 0001_meanings_of_logs
-- from: 18077c8c2f22
-- to: ee9249092ef3
-- doc: 0.1 to 0.2: raw lines, meanings of sources and who waits are tables; deliveries know their users, items and positives, evaluations their rules. What 0.1 did not write down stays empty: lines, meanings, who waited. Policies of 0.1 stay, but none is published, as none can be loaded any more.
CREATE TABLE sid_waiting (
    item_id BIGINT NOT NULL,
    sid VARCHAR NOT NULL,
    recon_error FLOAT NOT NULL,
    best_error FLOAT NOT NULL,
    since_release BIGINT NOT NULL,
    n_nights BIGINT NOT NULL,
    release_id BIGINT NOT NULL
);
CREATE TABLE ingest_lines (
    ingest_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    n_lines BIGINT NOT NULL,
    n_header BIGINT NOT NULL,
    n_blank BIGINT NOT NULL,
    n_continued BIGINT NOT NULL,
    n_rows BIGINT NOT NULL,
    n_rejected BIGINT NOT NULL,
    n_known BIGINT NOT NULL,
    n_open BIGINT NOT NULL
);
CREATE TABLE source_meanings (
    source VARCHAR NOT NULL,
    setting VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);
ALTER TABLE events ADD COLUMN behavior VARCHAR;
ALTER TABLE evaluations ADD COLUMN max_steps BIGINT;
ALTER TABLE evaluations ADD COLUMN temper0 DOUBLE;
UPDATE evaluations
SET
    max_steps = coalesce((
        SELECT (releases.config->>'$.environment.max_steps')::BIGINT
        FROM releases
        WHERE releases.release_id = evaluations.release_id
    ), 20),
    temper0 = coalesce((
        SELECT (releases.config->>'$.environment.temper0')::DOUBLE
        FROM releases
        WHERE releases.release_id = evaluations.release_id
    ), 20);
ALTER TABLE ingests ADD COLUMN sequence BIGINT;
ALTER TABLE ingests ADD COLUMN n_positives BIGINT;
ALTER TABLE ingests ADD COLUMN n_users BIGINT;
ALTER TABLE ingests ADD COLUMN n_new_users BIGINT;
ALTER TABLE ingests ADD COLUMN n_items BIGINT;
ALTER TABLE ingests ADD COLUMN n_new_items BIGINT;
UPDATE ingests
SET sequence = ranked.sequence
FROM (
    SELECT ingest_id, row_number() OVER (ORDER BY release_id, delivery_id) - 1 AS sequence
    FROM ingests
) AS ranked
WHERE ranked.ingest_id = ingests.ingest_id;
UPDATE ingests
SET
    n_positives = counted.n_positives,
    n_users = counted.n_users,
    n_new_users = counted.n_new_users,
    n_items = counted.n_items,
    n_new_items = counted.n_new_items
FROM (
    WITH shown AS (
        SELECT events.ingest_id, ingests.sequence, events.user_id, events.item_id, events.feedback
        FROM events
        INNER JOIN ingests ON ingests.ingest_id = events.ingest_id
    ),

    users AS (
        SELECT user_id, min(sequence) AS first
        FROM shown
        GROUP BY user_id
    ),

    items AS (
        SELECT item_id, min(sequence) AS first
        FROM shown
        GROUP BY item_id
    )

    SELECT
        shown.ingest_id,
        sum(shown.feedback) AS n_positives,
        count(DISTINCT shown.user_id) AS n_users,
        count(DISTINCT shown.user_id) FILTER (users.first = shown.sequence) AS n_new_users,
        count(DISTINCT shown.item_id) AS n_items,
        count(DISTINCT shown.item_id) FILTER (items.first = shown.sequence) AS n_new_items
    FROM shown
    INNER JOIN users ON users.user_id = shown.user_id
    INNER JOIN items ON items.item_id = shown.item_id
    GROUP BY shown.ingest_id
) AS counted
WHERE counted.ingest_id = ingests.ingest_id;
UPDATE ingests
SET n_positives = 0, n_users = 0, n_new_users = 0, n_items = 0, n_new_items = 0
WHERE n_users IS NULL;
UPDATE policies
SET is_published = false;

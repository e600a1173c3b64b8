-- model: delivery_drift
-- grain: ingest_id, figure
-- reads: ingests, releases
-- doc: Figures of every delivery beside what was usual: the median of the deliveries before it ([deliveries] nights of them). Shares are unusual beyond a factor and three standard errors of so many rows or ids; counts beyond a factor, from the fourth delivery on and where they are no handful; few rows of a log that grows only warn, since they tell when one looked, and so do few of a delivery that is mostly late, the rest of a day. level: ok, warn or block, by the settings of the release.
CREATE VIEW delivery_drift AS
WITH limits AS (
    SELECT
        release_id,
        coalesce((config->>'$.deliveries.nights')::BIGINT, 7) AS nights,
        coalesce((config->>'$.deliveries.share_warn')::DOUBLE, 2) AS share_warn,
        coalesce((config->>'$.deliveries.share_block')::DOUBLE, 5) AS share_block,
        coalesce((config->>'$.deliveries.count_warn')::DOUBLE, 4) AS count_warn,
        coalesce((config->>'$.deliveries.count_block')::DOUBLE, 50) AS count_block
    FROM releases
),

-- A delivery that brought nothing new says nothing about the log.
deliveries AS (
    SELECT
        *,
        row_number() OVER (ORDER BY sequence) - 1 AS place,
        row_number() OVER (PARTITION BY source, delivery_id ORDER BY sequence) > 1 OR 2 * n_late > n_accepted AS is_rest
    FROM ingests
    WHERE n_accepted > 0
),

figures AS (
    SELECT ingest_id, place, 'rows' AS figure, 'count' AS kind, n_accepted::DOUBLE AS value, n_accepted AS n, 200 AS least FROM deliveries
    UNION ALL
    SELECT ingest_id, place, 'users', 'count', n_users, n_users, 50 FROM deliveries
    UNION ALL
    SELECT ingest_id, place, 'items', 'count', n_items, n_items, 50 FROM deliveries
    UNION ALL
    SELECT ingest_id, place, 'share of positives', 'share', n_positives / n_accepted, n_accepted, 0 FROM deliveries
    UNION ALL
    -- Of the first delivery all ids are new: it says nothing about the next.
    SELECT ingest_id, place, 'share of known users', 'share', 1 - n_new_users / n_users, n_users, 0 FROM deliveries WHERE place > 0
    UNION ALL
    SELECT ingest_id, place, 'share of known items', 'share', 1 - n_new_items / n_items, n_items, 0 FROM deliveries WHERE place > 0
    UNION ALL
    SELECT
        ingest_id,
        place,
        'share of known users and items',
        'share',
        1 - (n_new_users + n_new_items) / (n_users + n_items),
        n_users + n_items,
        0
    FROM deliveries
    WHERE place > 0
),

compared AS (
    SELECT
        deliveries.ingest_id,
        deliveries.release_id,
        deliveries.delivery_id,
        deliveries.place,
        deliveries.is_rest,
        now.figure,
        now.kind,
        now.value,
        now.n,
        now.least,
        median(before.value) AS usual,
        count(before.value) AS n_before
    FROM figures AS now
    INNER JOIN deliveries ON deliveries.ingest_id = now.ingest_id
    INNER JOIN limits ON limits.release_id = deliveries.release_id
    LEFT JOIN figures AS before
        ON before.figure = now.figure AND before.place < now.place AND before.place >= now.place - limits.nights
    GROUP BY ALL
),

-- How many times a figure fell or rose; 1 where that says nothing.
moved AS (
    SELECT
        *,
        CASE
            WHEN kind = 'count' AND (n_before < 3 OR usual < least) THEN 1
            WHEN kind = 'count' THEN greatest(value / usual, usual / greatest(value, 1e-9))
            -- The second delivery has no usual one before it, but all its ids new is a sign of ids written in another way.
            WHEN figure LIKE 'share of known %' AND usual IS NULL AND n >= 20 AND value = 0 THEN 'inf'::DOUBLE
            WHEN usual IS NULL OR usual = 0 THEN 1
            WHEN abs(value - usual) <= 3 * sqrt(greatest(usual * (1 - usual), 1e-9) / n) THEN 1
            WHEN figure <> 'share of positives' THEN usual / greatest(value, 1e-9)
            ELSE greatest(value / usual, usual / greatest(value, 1e-9), if(value > usual, (1 - usual) / greatest(1 - value, 1e-9), 1))
        END AS factor
    FROM compared
)

SELECT
    moved.ingest_id,
    moved.release_id,
    moved.delivery_id,
    moved.figure,
    moved.value,
    moved.usual,
    moved.n_before,
    CASE
        WHEN moved.kind = 'share' AND limits.share_block > 0 AND moved.factor > limits.share_block AND moved.figure NOT IN ('share of known users', 'share of known items') THEN 'block'
        WHEN moved.kind = 'count' AND limits.count_block > 0 AND moved.factor > limits.count_block AND NOT (moved.is_rest AND moved.value < moved.usual) THEN 'block'
        WHEN moved.kind = 'share' AND limits.share_warn > 0 AND moved.factor > limits.share_warn THEN 'warn'
        WHEN moved.kind = 'count' AND limits.count_warn > 0 AND moved.factor > limits.count_warn THEN 'warn'
        ELSE 'ok'
    END AS level,
    printf('%s of %s is ', moved.figure, moved.delivery_id)
    || if(moved.kind = 'count', printf('%d', moved.value::BIGINT), printf('%.3f', moved.value))
    || coalesce(', usually ' || if(moved.kind = 'count', printf('%d', moved.usual::BIGINT), printf('%.3f', moved.usual)), '') AS finding
FROM moved
INNER JOIN limits ON limits.release_id = moved.release_id;

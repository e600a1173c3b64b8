-- audit: vectors_as_before
-- severity: by row
-- reads: sid_metrics, releases, previous.sid_metrics
-- doc: After a refresh, the vectors still fit the Semantic IDs of the last release: the explained variance of its items has not collapsed, few items' vectors jumped away from their Semantic IDs, few items lost their signal, not many more are without one, and no coordinates died (docs/metrics.md has each figure). The limits are settings (sids.explained_drop_limits …), each with a value that warns and one that blocks; sids.vector_guard says whether they block, warn or are off. A rebuild, which makes new codes, is exempt. Vectors with a part of the likes, and none that people bring, only warn: they move with the log itself, most while it is young.
WITH tonight AS (
    SELECT
        release_id,
        config,
        config->>'$.sids.vector_guard' AS vector_guard,
        json_contains(coalesce(config->'$.embeddings.parts', '[]'::JSON), '"external"') AS is_external,
        json_contains(coalesce(config->'$.embeddings.parts', '[]'::JSON), '"cooccurrence"')
        AND NOT json_contains(coalesce(config->'$.embeddings.parts', '[]'::JSON), '"external"') AS is_of_likes
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases) AND kind = 'refresh'
),

last AS (
    SELECT metric, value
    FROM previous.main.sid_metrics
    WHERE level = 0
    QUALIFY row_number() OVER (PARTITION BY metric ORDER BY release_id DESC) = 1
),

now AS (
    SELECT sid_metrics.metric, sid_metrics.value
    FROM sid_metrics
    INNER JOIN tonight ON tonight.release_id = sid_metrics.release_id
    WHERE sid_metrics.level = 0
),

figures AS (
    SELECT
        'explained_drop' AS figure,
        value,
        'explained variance of the items of the last release fell by ' || printf('%.2f', value)
        || coalesce(', of all to ' || printf('%.2f', (SELECT value FROM now WHERE metric = 'explained_variance')), '') AS what
    FROM now
    WHERE metric = 'explained_drop'
    UNION ALL
    SELECT 'strayed', value, printf('%.0f', 100 * value) || ' % of the items have a vector that jumped away from their Semantic ID'
    FROM now
    WHERE metric = 'strayed_share'
    UNION ALL
    SELECT 'lost_signal', value, printf('%.0f', 100 * value) || ' % of the items that had a vector of their own have none now'
    FROM now
    WHERE metric = 'lost_signal_share'
    UNION ALL
    SELECT
        'fallback_rise',
        now.value - last.value,
        'items without a vector of their own rose from ' || printf('%.0f', 100 * last.value) || ' % to ' || printf('%.0f', 100 * now.value) || ' %'
    FROM now
    INNER JOIN last ON last.metric = now.metric
    WHERE now.metric = 'fallback_share'
    UNION ALL
    SELECT 'lost_columns', value, printf('%.1f', 100 * value) || ' % of the variance was in coordinates that hardly vary now'
    FROM now
    WHERE metric = 'lost_columns_share'
),

judged AS (
    SELECT
        figures.*,
        tonight.vector_guard,
        tonight.is_external,
        tonight.is_of_likes,
        (tonight.config->>('$.sids.' || figures.figure || '_limits[0]'))::DOUBLE AS warns_above,
        (tonight.config->>('$.sids.' || figures.figure || '_limits[1]'))::DOUBLE AS blocks_above
    FROM figures
    CROSS JOIN tonight
    WHERE tonight.vector_guard <> 'off' AND (SELECT count(*) FROM now WHERE metric = 'jumped_share') > 0
)

SELECT
    figure,
    value,
    warns_above,
    blocks_above,
    if(vector_guard = 'block' AND value > blocks_above AND NOT is_of_likes, 'block', 'warn') AS severity,
    what
    || if(
        is_of_likes,
        ': the log has outgrown its codes; make new ones with: hsrl refresh --rebuild',
        ': the vectors do not fit those of the last release; mend '
        || if(is_external, 'the file embeddings.external_path', 'what the vectors are made of')
        || ' and run again, or, if they are meant, hsrl refresh --rebuild (or let this one through with HSRL_SIDS__VECTOR_GUARD=warn)'
    ) AS says
FROM judged
WHERE value > least(warns_above, blocks_above);

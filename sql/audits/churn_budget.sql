-- audit: churn_budget
-- severity: block
-- reads: sid_history, releases, previous.sid_history
-- doc: Of the items that had a Semantic ID in the last release and have one of the same codebook now, at most 30 % (sids.churn_budget, where that is more) got another one: the tokenizer keeps its own, narrower budget, and this is the wall behind it. A rebuild or a rollback, which someone asked for, is not counted.
WITH last_release AS (
    SELECT release_id, greatest(coalesce((config->>'$.sids.churn_budget')::DOUBLE, 0), 0.3) AS budget
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases) AND kind = 'refresh'
),

kept AS (
    SELECT before.codebook_id, before.item_id, now.tokens <> before.tokens AS has_moved
    FROM previous.main.sid_history AS before
    INNER JOIN sid_history AS now
        ON now.item_id = before.item_id AND now.codebook_id = before.codebook_id AND now.valid_to IS NULL
    WHERE before.valid_to IS NULL
)

SELECT
    kept.codebook_id,
    count(*) AS n_items,
    count(*) FILTER (kept.has_moved) AS n_moved,
    any_value(last_release.budget) AS budget,
    (list(kept.item_id ORDER BY kept.item_id) FILTER (kept.has_moved))[:5] AS some_items
FROM kept
CROSS JOIN last_release
GROUP BY kept.codebook_id
HAVING n_moved > budget * n_items AND n_moved > 1;

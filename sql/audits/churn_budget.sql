-- audit: churn_budget
-- severity: block
-- reads: sid_history, codebooks, releases, previous.sid_history, previous.releases
-- doc: Of the items that have a Semantic ID in the last release and in this one, a refresh gives another one to at most the share that its configuration allows (sids.churn_budget; at least one item), and a retrain to none. Codes centred anew keep their numbers; under another numbering every item has moved. New and removed items do not count, nor do items that got their Semantic ID in the last refresh without having one before it: where the vector it was given by is gone, they are decided anew; a rebuild or a rollback, which someone asked for and the release's kind records, is exempt.
WITH tonight AS (
    SELECT kind = 'refresh' AS may_move, coalesce((config->>'$.sids.churn_budget')::DOUBLE, 0) AS budget
    FROM releases
    WHERE release_id = (SELECT max(release_id) FROM releases) AND kind IN ('refresh', 'retrain')
),

numberings AS (
    SELECT codebook_id, any_value(numbering_id) AS numbering_id
    FROM codebooks
    GROUP BY codebook_id
),

began AS (
    SELECT numberings.numbering_id, min(rows.valid_from) AS first_release
    FROM previous.main.sid_history AS rows
    INNER JOIN numberings ON numberings.codebook_id = rows.codebook_id
    GROUP BY numberings.numbering_id
),

-- Newcomers of the last refresh: not of the one that began the numbering, and not survivors that moved in it.
newcomers AS (
    SELECT given.item_id
    FROM previous.main.sid_history AS given
    INNER JOIN numberings ON numberings.codebook_id = given.codebook_id
    INNER JOIN began ON began.numbering_id = numberings.numbering_id
    ANTI JOIN previous.main.sid_history AS survived ON survived.item_id = given.item_id AND survived.valid_to = given.valid_from
    WHERE
        given.valid_to IS NULL
        AND given.valid_from >= (SELECT max(release_id) FROM previous.main.releases WHERE kind IN ('refresh', 'rebuild'))
        AND given.valid_from > began.first_release
        AND given.reason IN ('new', 'moved', 'returned')
),

kept AS (
    SELECT
        now.codebook_id,
        now.item_id,
        (now.tokens <> before.tokens AND now.item_id NOT IN (SELECT item_id FROM newcomers))
        OR new.numbering_id IS DISTINCT FROM old.numbering_id AS has_moved
    FROM previous.main.sid_history AS before
    INNER JOIN sid_history AS now ON now.item_id = before.item_id AND now.valid_to IS NULL
    LEFT JOIN numberings AS old ON old.codebook_id = before.codebook_id
    LEFT JOIN numberings AS new ON new.codebook_id = now.codebook_id
    WHERE before.valid_to IS NULL
)

SELECT
    kept.codebook_id,
    count(*) AS n_items,
    count(*) FILTER (kept.has_moved) AS n_moved,
    if(any_value(tonight.may_move), greatest(1, floor(any_value(tonight.budget) * count(*)))::BIGINT, 0) AS n_allowed,
    (list(kept.item_id ORDER BY kept.item_id) FILTER (kept.has_moved))[:5] AS some_items
FROM kept
CROSS JOIN tonight
GROUP BY kept.codebook_id
HAVING n_moved > n_allowed;

-- example: hourglass_by_level
-- reads: sids
-- doc: Do the levels narrow like an hourglass: how many different prefixes are there at each level, and how much does the fullest code hold?
WITH prefixes AS (
    SELECT codebook_id, item_id, tokens, unnest(range(1, len(tokens) + 1)) AS level
    FROM sids
),

codes AS (
    SELECT codebook_id, level, tokens[level] AS code, count(item_id) AS n_items, list_distinct(list(tokens[:level])) AS own_prefixes
    FROM prefixes
    GROUP BY codebook_id, level, code
)

SELECT
    codebook_id,
    level,
    count(*) AS codes_used,
    sum(len(own_prefixes)) AS n_prefixes,
    round(max(n_items) / sum(n_items), 3) AS share_of_fullest_code
FROM codes
GROUP BY codebook_id, level
ORDER BY codebook_id, level;

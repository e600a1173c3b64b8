-- audit: sids_named
-- severity: block
-- reads: sid_history, codebooks
-- doc: The three ways in which a Semantic ID is written agree, in every row that is or was valid: its text is its tokens, and its number is theirs in mixed radix, level 1 most significant. hsrl verify asks this too.
WITH sizes AS (
    SELECT codebook_id, level, count(code)::UHUGEINT AS n_codes
    FROM codebooks
    GROUP BY ALL
),

weights AS (
    SELECT
        sizes.codebook_id,
        sizes.level,
        list_reduce(
            list_prepend(1::UHUGEINT, coalesce(list(finer.n_codes) FILTER (finer.n_codes IS NOT NULL), [])), (x, y) -> x * y
        ) AS weight
    FROM sizes
    LEFT JOIN sizes AS finer ON finer.codebook_id = sizes.codebook_id AND finer.level > sizes.level
    GROUP BY sizes.codebook_id, sizes.level
),

books AS (
    SELECT codebook_id, list(weight ORDER BY level) AS weights
    FROM weights
    GROUP BY codebook_id
)

SELECT sid_history.item_id, sid_history.sid, 'sid' AS fault
FROM sid_history
WHERE sid_history.sid <> array_to_string(sid_history.tokens, '-')
UNION ALL
SELECT sid_history.item_id, sid_history.sid, 'sid_key' AS fault
FROM sid_history
INNER JOIN books ON books.codebook_id = sid_history.codebook_id
WHERE
    len(sid_history.tokens) = len(books.weights)
    AND sid_history.sid_key
    IS DISTINCT FROM list_reduce(list_transform(list_zip(sid_history.tokens, books.weights), x -> x[1]::UHUGEINT * x[2]), (x, y) -> x + y);

-- example: codes_by_level
-- reads: sids, codebooks
-- doc: How many of each level's codes are in use, and how evenly (perplexity: the number of codes an even use would have)?
WITH used AS (
    SELECT codebook_id, generate_subscripts(tokens, 1) AS level, unnest(tokens) AS code
    FROM sids
),

counted AS (
    SELECT codebook_id, level, code, count(*) AS n
    FROM used
    GROUP BY codebook_id, level, code
)

SELECT
    counted.codebook_id,
    counted.level,
    count(*) AS n_used,
    any_value(sizes.n_codes) AS n_codes,
    round(exp(ln(sum(n)) - sum(n * ln(n)) / sum(n)), 1) AS perplexity
FROM counted
INNER JOIN (SELECT codebook_id, level, count(*) AS n_codes FROM codebooks GROUP BY codebook_id, level) AS sizes
    ON sizes.codebook_id = counted.codebook_id AND sizes.level = counted.level
GROUP BY counted.codebook_id, counted.level
ORDER BY counted.codebook_id, counted.level;

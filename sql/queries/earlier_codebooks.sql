-- query: earlier_codebooks
-- reads: codebooks, sid_history
-- doc: The codes of the last $most codebooks of a numbering ($numbering) that held Semantic IDs before codebook $own.
SELECT *
FROM codebooks
WHERE
    numbering_id = $numbering
    AND codebook_id IN (
        SELECT codebook_id
        FROM sid_history
        WHERE codebook_id <> $own
        GROUP BY codebook_id
        ORDER BY min(valid_from) DESC
        LIMIT $most
    );

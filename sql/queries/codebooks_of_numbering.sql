-- query: codebooks_of_numbering
-- reads: codebooks
-- doc: The codebooks whose code numbers mean the same ($numbering: a numbering_id).
SELECT DISTINCT codebook_id
FROM codebooks
WHERE numbering_id = $numbering;

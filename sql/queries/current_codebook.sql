-- query: current_codebook
-- reads: codebooks, sids
-- doc: The codes of the open Semantic IDs.
SELECT *
FROM codebooks
WHERE codebook_id IN (SELECT codebook_id FROM sids);

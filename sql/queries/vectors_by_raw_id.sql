-- query: vectors_by_raw_id
-- reads: embeddings, items, codebooks, sids
-- doc: The vectors that the current codes live in, in a fixed order that says nothing of the items.
SELECT items.raw_id AS item, embeddings.vector
FROM embeddings
INNER JOIN items ON items.item_id = embeddings.item_id
WHERE embeddings.embedding_id IN (SELECT embedding_id FROM codebooks WHERE codebook_id IN (SELECT codebook_id FROM sids))
ORDER BY md5(items.raw_id), items.raw_id;

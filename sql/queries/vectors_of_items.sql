-- query: vectors_of_items
-- reads: embeddings
-- doc: The stored vectors of some items ($ids) in one embedding model ($embedding_id).
SELECT item_id, vector
FROM embeddings
WHERE embedding_id = $embedding_id AND item_id IN (SELECT unnest($ids));

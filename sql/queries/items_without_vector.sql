-- query: items_without_vector
-- reads: items, embeddings
-- doc: Items of the catalogue that no vector was made for.
SELECT item_id
FROM items
ANTI JOIN embeddings ON embeddings.item_id = items.item_id;

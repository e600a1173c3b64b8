-- example: strangers_in_one_sid
-- reads: sids, items
-- doc: Which items share a Semantic ID although they have no category in common?
SELECT one.sid, one.item_id, one_item.raw_id, one_item.title, other.item_id AS other_id, other_item.raw_id AS other_raw_id, other_item.title AS other_title
FROM sids AS one
INNER JOIN sids AS other ON other.codebook_id = one.codebook_id AND other.sid_key = one.sid_key AND other.item_id > one.item_id
INNER JOIN items AS one_item ON one_item.item_id = one.item_id
INNER JOIN items AS other_item ON other_item.item_id = other.item_id
WHERE NOT list_has_any(one_item.categories, other_item.categories)
ORDER BY one.sid_key, one.item_id, other_id
LIMIT 100;

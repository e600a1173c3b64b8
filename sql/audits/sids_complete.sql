-- audit: sids_complete
-- severity: block
-- reads: items, sid_history, sid_missing
-- doc: Every active item has exactly one open Semantic ID (in each codebook in use), or a recorded reason why not.
SELECT items.item_id, 'active, without a Semantic ID or a reason' AS fault
FROM items
ANTI JOIN (SELECT item_id FROM sid_history WHERE valid_to IS NULL) AS open_rows ON open_rows.item_id = items.item_id
ANTI JOIN sid_missing ON sid_missing.item_id = items.item_id
WHERE items.is_active
UNION ALL
SELECT item_id, 'more than one open Semantic ID in ' || codebook_id
FROM sid_history
WHERE valid_to IS NULL
GROUP BY item_id, codebook_id
HAVING count(*) > 1;

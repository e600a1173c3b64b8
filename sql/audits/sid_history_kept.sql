-- audit: sid_history_kept
-- severity: block
-- reads: sid_history, forgotten, previous.sid_history
-- doc: Nothing is renumbered: every row of the last release is still there with its Semantic ID and slot; a release may only close it, but for items that were asked to be forgotten.
SELECT before.item_id, before.codebook_id, before.valid_from, before.sid AS sid_before, after.sid AS sid_after
FROM previous.main.sid_history AS before
LEFT JOIN sid_history AS after
    ON after.item_id = before.item_id AND after.codebook_id = before.codebook_id AND after.valid_from = before.valid_from
WHERE
    (
        after.tokens IS DISTINCT FROM before.tokens
        OR after.slot IS DISTINCT FROM before.slot
        OR (before.valid_to IS NOT NULL AND after.valid_to IS DISTINCT FROM before.valid_to)
    )
    AND sha256('item:' || before.item_id) NOT IN (SELECT id_sha256 FROM forgotten);

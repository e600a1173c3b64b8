-- model: sid_crosswalk
-- grain: release_id, item_id, old_codebook_id, new_codebook_id
-- reads: sid_history, items
-- doc: Old to new Semantic ID of each item that a release gave one of another codebook: by a rebuild (every number means something else) or a refresh (carried or moved, same numbering).
-- column old_codebook_id: the codebook before
-- column old_sid: the Semantic ID before
-- column old_slot: the slot before
-- column new_codebook_id: the codebook of this release
-- column new_sid: the Semantic ID of this release
-- column new_slot: the slot of this release
CREATE OR REPLACE VIEW sid_crosswalk AS
SELECT
    new.valid_from AS release_id,
    new.item_id,
    old.codebook_id AS old_codebook_id,
    old.sid AS old_sid,
    old.slot AS old_slot,
    new.codebook_id AS new_codebook_id,
    new.sid AS new_sid,
    new.slot AS new_slot,
    new.reason,
    items.raw_id,
    items.title
FROM sid_history AS new
INNER JOIN sid_history AS old
    ON old.item_id = new.item_id AND old.valid_to = new.valid_from AND old.codebook_id <> new.codebook_id
LEFT JOIN items ON items.item_id = new.item_id;

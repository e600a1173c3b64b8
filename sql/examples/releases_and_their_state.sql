-- example: releases_and_their_state
-- reads: releases, withdrawn
-- doc: Which releases were there, what were they built upon, and which did a rollback take back?
SELECT
    releases.release_id,
    releases.kind,
    releases.parent_id,
    withdrawn.release_id IS NOT NULL AS is_withdrawn,
    releases.created_at
FROM releases
LEFT JOIN withdrawn ON withdrawn.release_id = releases.release_id
ORDER BY releases.release_id DESC;

-- model: sid_churn
-- grain: release_id, codebook_id
-- reads: sid_history
-- doc: What each release changed: items that got a Semantic ID (new), another one (moved), theirs back (returned), one of a new codebook (rebuilt), theirs again under codes centred anew (carried), lost theirs (closed), or got that of an earlier release back (rolled back).
-- column n_new: items that got their first Semantic ID
-- column n_moved: items that got another one
-- column n_returned: items that came back and got theirs again
-- column n_rebuilt: items that got one of a new codebook
-- column n_carried: items that kept theirs under codes centred anew
-- column n_closed: items that lost theirs
-- column n_rolled_back: items that got that of an earlier release back
CREATE OR REPLACE VIEW sid_churn AS
WITH changes AS (
    SELECT valid_from AS release_id, codebook_id, reason AS change
    FROM sid_history
    UNION ALL
    SELECT gone.valid_to AS release_id, gone.codebook_id, 'closed' AS change
    FROM sid_history AS gone
    ANTI JOIN sid_history AS next ON next.item_id = gone.item_id AND next.valid_from = gone.valid_to
    WHERE gone.valid_to IS NOT NULL
)
SELECT
    release_id,
    codebook_id,
    count(*) FILTER (change = 'new') AS n_new,
    count(*) FILTER (change = 'moved') AS n_moved,
    count(*) FILTER (change = 'returned') AS n_returned,
    count(*) FILTER (change = 'rebuild') AS n_rebuilt,
    count(*) FILTER (change = 'carried') AS n_carried,
    count(*) FILTER (change = 'closed') AS n_closed,
    count(*) FILTER (change = 'rollback') AS n_rolled_back
FROM changes
GROUP BY release_id, codebook_id;

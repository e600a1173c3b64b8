-- model: sid_churn
-- grain: release_id, codebook_id
-- reads: sid_history
-- doc: What each release changed: items that got a Semantic ID (new), another one (moved), theirs back (returned), one of a new codebook (rebuilt), theirs again under codes centred anew (carried), lost theirs (closed), or got that of an earlier release back (rolled back).
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

-- example: churn_by_release
-- reads: sid_churn, releases
-- doc: What did each release change in the Semantic IDs?
SELECT releases.created_at, sid_churn.*
FROM sid_churn
INNER JOIN releases ON releases.release_id = sid_churn.release_id
ORDER BY sid_churn.release_id DESC, sid_churn.codebook_id;

-- query: mean_churn
-- reads: sid_churn
-- doc: Items that were new and gone in the mean of the last $most nights after the first.
WITH nights AS (
    SELECT release_id, sum(n_new) AS n_new, sum(n_closed) AS n_closed
    FROM sid_churn
    WHERE release_id > 1
    GROUP BY release_id
    ORDER BY release_id DESC
    LIMIT $most
)

SELECT round(avg(n_new))::BIGINT AS n_new, round(avg(n_closed))::BIGINT AS n_closed
FROM nights;

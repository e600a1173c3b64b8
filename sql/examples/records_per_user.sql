-- example: records_per_user
-- reads: splits
-- doc: How many records do users have: the least, the quartiles and the most?
SELECT
    count(*) AS n_users,
    min(n_records) AS least,
    quantile_disc(n_records, 0.25) AS first_quartile,
    quantile_disc(n_records, 0.5) AS median,
    quantile_disc(n_records, 0.75) AS third_quartile,
    max(n_records) AS most,
    sum(n_train) AS n_train,
    sum(n_records - n_train) AS n_test
FROM splits;

-- example: real_answers_by_release
-- reads: real_answers
-- doc: How do the policies of each release rank what people were really shown, beside a ranking by items alone?
SELECT release_id, policy, seed, metric, round(value, 4) AS value, round(ci_low, 4) AS ci_low, round(ci_high, 4) AS ci_high, n_users
FROM real_answers
ORDER BY release_id DESC, metric, value DESC, policy, seed;

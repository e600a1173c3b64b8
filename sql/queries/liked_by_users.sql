-- query: liked_by_users
-- reads: events
-- doc: The newest likes of some users ($user_ids; NULL: of all), at most $length each, oldest first.
SELECT user_id, list(item_id ORDER BY user_seq)[-$length:] AS history
FROM events
WHERE feedback = 1 AND ($user_ids::BIGINT[] IS NULL OR list_contains($user_ids::BIGINT[], user_id))
GROUP BY user_id
ORDER BY user_id;

-- query: likes_that_follow
-- reads: events, items
-- doc: Pairs of items that a user liked one after the other, as the raw log spells them.
SELECT liked.raw_id AS "left", lead(liked.raw_id) OVER (PARTITION BY liked.user_id ORDER BY liked.user_seq) AS "right"
FROM (
    SELECT events.user_id, events.user_seq, items.raw_id
    FROM events
    INNER JOIN items ON items.item_id = events.item_id
    WHERE events.feedback = 1
) AS liked
QUALIFY "right" <> "left";

-- query: item_by_id
-- reads: items
-- doc: The item that is spelled $text in the log, else the one with that number.
SELECT item_id
FROM items
WHERE raw_id = $text OR item_id = TRY_CAST($text AS BIGINT)
ORDER BY raw_id <> $text
LIMIT 1;

-- query: source_meaning
-- reads: source_meanings
-- doc: What gives the stored rows of a source their meaning: each setting's last value, and the release since which it holds.
SELECT setting, value, release_id
FROM source_meanings
WHERE source = $source
QUALIFY row_number() OVER (PARTITION BY setting ORDER BY release_id DESC) = 1;

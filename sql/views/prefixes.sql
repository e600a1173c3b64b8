-- model: prefixes
-- grain: codebook_id, prefix
-- reads: sid_history, items, events
-- doc: What the items of each prefix have in common: main category, titles, how often they are liked. A prefix of all levels is a Semantic ID.
-- column level: how many codes the prefix has
-- column prefix: its codes, such as 12-203
-- column n_items: items whose Semantic ID begins with it
-- column category: the first category of most of them; of several the first in the alphabet
-- column category_share: share of its items with that first category
-- column titles: titles of three of its items, the most liked first; raw ids where there is no title
-- column n_shown: events of its items
-- column n_liked: how many of these are likes
-- column liked_rate: n_liked / n_shown; NULL where nothing was shown
CREATE OR REPLACE VIEW prefixes AS
WITH answers AS (
    SELECT item_id, count(*) AS n_shown, count(*) FILTER (WHERE feedback = 1) AS n_liked
    FROM events
    GROUP BY item_id
),

members AS (
    SELECT
        sid_history.codebook_id,
        levels.level,
        array_to_string(sid_history.tokens[:levels.level], '-') AS prefix,
        sid_history.item_id,
        items.categories[1] AS category,
        coalesce(items.title, items.raw_id) AS title,
        coalesce(answers.n_shown, 0) AS n_shown,
        coalesce(answers.n_liked, 0) AS n_liked
    FROM sid_history
    CROSS JOIN LATERAL (SELECT unnest(range(1, len(sid_history.tokens) + 1)) AS level) AS levels
    LEFT JOIN items ON items.item_id = sid_history.item_id
    LEFT JOIN answers ON answers.item_id = sid_history.item_id
    WHERE sid_history.valid_to IS NULL
),

main AS (
    SELECT codebook_id, prefix, category, count(*) AS n_of_category
    FROM members
    WHERE category IS NOT NULL
    GROUP BY codebook_id, prefix, category
    QUALIFY row_number() OVER (PARTITION BY codebook_id, prefix ORDER BY n_of_category DESC, category) = 1
)

SELECT
    members.codebook_id,
    members.level,
    members.prefix,
    count(*) AS n_items,
    any_value(main.category) AS category,
    any_value(main.n_of_category) / count(*) AS category_share,
    list(members.title ORDER BY members.n_liked DESC, members.item_id)[:3] AS titles,
    sum(members.n_shown)::BIGINT AS n_shown,
    sum(members.n_liked)::BIGINT AS n_liked,
    sum(members.n_liked) / nullif(sum(members.n_shown), 0) AS liked_rate
FROM members
LEFT JOIN main ON main.codebook_id = members.codebook_id AND main.prefix = members.prefix
GROUP BY members.codebook_id, members.level, members.prefix;

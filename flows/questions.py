"""Three questions that the demo offers to paste; a test asks each of them."""

QUESTIONS = (
    "select tokens[1] l1, count(*) n from sids group by 1 order by 2 desc limit 5",
    "select sid, len(item_ids) n, item_ids[:5] first_five from sid_buckets order by n desc limit 5",
    "select policy, kind, round(total_reward, 2) reward, round(depth, 2) depth, distinct_items "
    "from evaluations order by total_reward desc limit 10",
)

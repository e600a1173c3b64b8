"""Three questions that the demo offers to paste; a test asks each of them."""

QUESTIONS = (
    "select tokens[1] l1, count(*) n from sids group by 1 order by 2 desc limit 5",
    "select sid, len(item_ids) n, item_ids[:5] first_five from sid_buckets order by n desc limit 5",
    # Judges of families that nobody learned in; a row that judges in several simulators together repeats what theirs say.
    "select policy, kind, round(avg(total_reward), 2) mean_reward, round(avg(depth), 2) mean_depth, count(*) simulators from evaluations "
    "where release_id = (select max(release_id) from evaluations) and not contains(simulator_id, '+') "
    "and family not in (select family from simulators where fit_on = 'train') group by all order by mean_reward desc",
)

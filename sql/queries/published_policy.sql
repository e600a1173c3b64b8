-- query: published_policy
-- reads: policies
-- doc: The policy that the ranking service loads.
SELECT policy_id
FROM policies
WHERE is_published;

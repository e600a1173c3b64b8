-- query: restored_state
-- reads: releases, sids, events
-- doc: What a drill compares before a loss and after its mending: the last release, and a hash of all Semantic IDs and of all events.
SELECT
    (SELECT max(release_id) FROM releases) AS release_id,
    (SELECT md5(string_agg(item_id || '=' || sid, ',' ORDER BY item_id)) FROM sids) AS sids,
    (SELECT sum(hash(user_id, item_id, feedback)::HUGEINT)::VARCHAR FROM events) AS events;

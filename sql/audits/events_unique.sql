-- audit: events_unique
-- severity: block
-- reads: events, ingests, rebuilt_users, releases, previous.events
-- doc: No two events of a user have the same user_seq. By induction: those of this release, and all of the users whom it laid out anew, differ among themselves; those of other users come after all that they had in the last one; so the cost is tonight's rows and two columns of their users.
WITH fresh AS (
    SELECT ingest_id
    FROM ingests
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

rebuilt AS (
    SELECT user_id
    FROM rebuilt_users
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

arrived AS (
    SELECT user_id, user_seq
    FROM events
    WHERE ingest_id IN (FROM fresh)
    UNION ALL -- so that files of earlier releases are left out by their statistics where nobody is rebuilt
    SELECT user_id, user_seq
    FROM events
    WHERE user_id IN (FROM rebuilt) AND ingest_id NOT IN (FROM fresh)
),

firsts AS (
    SELECT user_id, min(user_seq) AS first_new
    FROM arrived
    WHERE user_id NOT IN (FROM rebuilt)
    GROUP BY user_id
),

lasts AS (
    SELECT before.user_id, max(before.user_seq) AS last_old
    FROM previous.main.events AS before
    SEMI JOIN firsts ON firsts.user_id = before.user_id
    GROUP BY before.user_id
)

SELECT user_id, user_seq, 'repeated' AS fault, count(*) AS n
FROM arrived
GROUP BY user_id, user_seq
HAVING count(*) > 1
UNION ALL
SELECT firsts.user_id, firsts.first_new, 'not after the events the warehouse had', 1
FROM firsts
INNER JOIN lasts ON lasts.user_id = firsts.user_id
WHERE firsts.first_new <= lasts.last_old;

-- name: hold(client_id)^
-- Locks the row, so that of several daemons each sees the stamp before its own. The instant is read after the lock:
-- a transaction's now() may lie before the stamp that it waited for.
SELECT up_since, stamped_at, down_at, clock_timestamp() AS now FROM (
    SELECT up_since, stamped_at, down_at FROM receivers WHERE client_id = :client_id FOR UPDATE
) AS held;

-- name: open(client_id)!
-- The first stamp of an app; of two daemons at once one opens the run, the other finds it.
INSERT INTO receivers (client_id, up_since, stamped_at) SELECT :client_id, t.at, t.at FROM (SELECT clock_timestamp() AS at) t
ON CONFLICT (client_id) DO NOTHING;

-- name: write(client_id, up_since, stamped_at, down_at)!
-- Only in the transaction that holds the row.
UPDATE receivers SET up_since = :up_since::timestamptz, stamped_at = :stamped_at::timestamptz,
    down_at = :down_at::timestamptz
WHERE client_id = :client_id;

-- name: proof(client_id)^
-- One snapshot. The newest event that is not known to be somebody else's is looked for among the last thousand: a
-- flood of foreign ones must not make this dear. Rows of the inbox go in in the order of their ids, near enough.
SELECT a.subscription_verified_at, a.subscription_since, r.up_since, r.stamped_at, r.down_at, clock_timestamp() AS now,
    (SELECT max(e.received_at) FROM (
        SELECT received_at, outcome FROM events ORDER BY event_id DESC LIMIT 1000) AS e
        WHERE e.outcome IS NULL OR e.outcome NOT IN ('foreign_subscription', 'unsigned', 'malformed')) AS event_at
FROM apps a LEFT JOIN receivers r USING (client_id)
WHERE a.client_id = :client_id;

-- name: heard_minutes(since)
-- Reads only: the minutes in which events came, and the last event before. What is known to be somebody else's does
-- not count.
SELECT min(received_at) AS at FROM events
WHERE received_at >= :since::timestamptz
    AND (outcome IS NULL OR outcome NOT IN ('foreign_subscription', 'unsigned', 'malformed'))
GROUP BY date_trunc('minute', received_at) ORDER BY 1;

-- name: sample_habits(most)
-- Reads only: some active athletes, others every day, to know what to expect of anybody.
SELECT s.uploads, s.uploads_at, a.created_at AS connected_at
FROM sync_states s JOIN athletes a USING (athlete_id)
WHERE a.state = 'active' ORDER BY hashint8(a.athlete_id # extract(day FROM now())::bigint) LIMIT :most::integer;

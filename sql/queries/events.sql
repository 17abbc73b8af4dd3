-- name: store_batch(dedup_keys, received_ats, bodies, signatures)
-- The group commit. Callers sort by dedup_key: two batches with the same duplicates then wait in one order and
-- cannot deadlock. Returns the keys that were new.
INSERT INTO events (dedup_key, received_at, body, signature)
SELECT * FROM unnest(:dedup_keys::bytea[], :received_ats::timestamptz[], :bodies::bytea[], :signatures::text[])
ON CONFLICT (dedup_key) DO NOTHING
RETURNING dedup_key;

-- name: lock_unfolded(most)
-- Several daemons fold side by side: each takes rows that no other holds, and holds them until it commits.
SELECT event_id, received_at, body, signature FROM events WHERE folded_at IS NULL
ORDER BY event_id LIMIT :most::integer FOR UPDATE SKIP LOCKED;

-- name: mark_folded(event_ids, owner_ids, outcomes)!
-- Of strangers only the fact is kept that something came, not who they are: one who was just erased is one of them.
UPDATE events SET folded_at = now(), outcome = done.outcome, owner_id = done.owner_id,
    body = CASE WHEN done.owner_id IS NULL AND done.outcome <> 'malformed' THEN '' ELSE events.body END
FROM unnest(:event_ids::bigint[], :owner_ids::bigint[], :outcomes::text[]) AS done (event_id, owner_id, outcome)
WHERE events.event_id = done.event_id;

-- name: list_owned(owner_id, most)
-- The newest events of an athlete that were believed enough to be folded. Reads only.
SELECT body FROM events WHERE owner_id = :owner_id AND outcome = 'folded' ORDER BY event_id DESC LIMIT :most::integer;

-- name: spend_budget(owner_ids, looks, hour_at)
-- Counts looks per owner and hour, owner 0 standing for all; returns the totals. Callers sort by owner.
INSERT INTO webhook_budgets AS b (owner_id, hour_at, looks)
SELECT owner_id, :hour_at::timestamptz, looks FROM unnest(:owner_ids::bigint[], :looks::integer[]) AS u (owner_id, looks)
ON CONFLICT (owner_id, hour_at) DO UPDATE SET looks = b.looks + excluded.looks
RETURNING owner_id, looks;

-- name: prune(before, most)$
WITH old AS (
    SELECT event_id FROM events WHERE folded_at < :before::timestamptz ORDER BY folded_at LIMIT :most::integer
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM events WHERE event_id IN (SELECT event_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: prune_budgets(before)!
DELETE FROM webhook_budgets WHERE hour_at < :before::timestamptz;

-- name: forget_owner(owner_id)!
DELETE FROM events WHERE owner_id = :owner_id;

-- name: forget_budgets(owner_id)!
DELETE FROM webhook_budgets WHERE owner_id = :owner_id;

-- name: per_minute(minutes)
-- By the database's clock, as `received_at` orders the inbox near enough for its BRIN index; the minute that is not
-- over comes last. What was nobody's of ours counts apart. Reads only.
WITH minutes AS (
    SELECT generate_series(
        date_trunc('minute', now()) - make_interval(mins => :minutes::integer - 1), date_trunc('minute', now()),
        interval '1 minute') AS minute_at
), counted AS (
    SELECT date_trunc('minute', received_at) AS minute_at, count(*) AS events,
        count(*) FILTER (WHERE outcome <> 'folded') AS ignored
    FROM events WHERE received_at >= date_trunc('minute', now()) - make_interval(mins => :minutes::integer - 1)
    GROUP BY 1
)
SELECT minute_at, coalesce(events, 0)::bigint AS events, coalesce(ignored, 0)::bigint AS ignored
FROM minutes LEFT JOIN counted USING (minute_at) ORDER BY minute_at;

-- name: unfolded()^
-- Reads only.
SELECT count(*)::bigint AS unfolded, min(received_at) AS oldest_unfolded_at FROM events WHERE folded_at IS NULL;

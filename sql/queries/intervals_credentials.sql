-- name: put(athlete_id, kind, secret, now)!
-- Replaces whatever was there, under a number that no sync has: one that is under way with the old key stores nothing,
-- also where the key was removed in between.
INSERT INTO intervals_credentials AS c (athlete_id, kind, secret, state_since)
VALUES (:athlete_id, :kind, :secret, :now::timestamptz)
ON CONFLICT (athlete_id) DO UPDATE SET kind = excluded.kind, secret = excluded.secret, intervals_id = NULL,
    state = 'active', state_reason = NULL, state_since = excluded.state_since, syncs = nextval('intervals_syncs'),
    synced_at = NULL;

-- name: remove(athlete_id)^
-- A sync that is under way finds no row any more, and stores nothing.
DELETE FROM intervals_credentials WHERE athlete_id = :athlete_id RETURNING athlete_id;

-- name: begin_sync(athlete_id)^
-- Numbers the sync in one statement from a sequence, so that two never have the same number, whatever was removed in
-- between. Nobody is asked about an athlete who took his authorization back.
UPDATE intervals_credentials c SET syncs = nextval('intervals_syncs') FROM athletes a
WHERE c.athlete_id = :athlete_id AND a.athlete_id = c.athlete_id AND c.state = 'active' AND a.state = 'active'
RETURNING c.kind, c.secret, c.intervals_id, c.synced_at, c.syncs;

-- name: finish_sync(athlete_id, syncs, intervals_id, now)^
-- Only the newest sync stores: one that began later has asked later. Held until the transaction ends.
UPDATE intervals_credentials SET intervals_id = :intervals_id, synced_at = :now::timestamptz
WHERE athlete_id = :athlete_id AND syncs = :syncs
RETURNING athlete_id;

-- name: refuse(athlete_id, syncs, reason, now)^
-- Only if the key that was refused is still the stored one: a new one has another number.
UPDATE intervals_credentials SET state = 'refused', state_reason = :reason, state_since = :now::timestamptz
WHERE athlete_id = :athlete_id AND syncs = :syncs
RETURNING athlete_id;

-- name: find(names)
-- Several athletes may share an account there; each is asked about with his own key. Reads only.
SELECT athlete_id, intervals_id FROM intervals_credentials
WHERE intervals_id = ANY(:names::text[]) AND state = 'active' ORDER BY athlete_id;

-- name: show(athlete_id)^
-- For people; the secret stays where it is.
SELECT kind, intervals_id, state, state_reason, state_since, synced_at FROM intervals_credentials
WHERE athlete_id = :athlete_id;

-- name: active()
-- Whom a timer syncs: reads only, and the sync itself asks again.
SELECT athlete_id FROM intervals_credentials WHERE state = 'active' ORDER BY athlete_id;

-- name: count_by_state()
-- For people; reads only.
SELECT state, count(*)::bigint AS athletes FROM intervals_credentials GROUP BY state ORDER BY state;

-- name: why_refused()
-- For people; reads only.
SELECT state_reason, count(*)::bigint AS athletes, max(state_since) AS newest_at, max(athlete_id) AS athlete_id
FROM intervals_credentials WHERE state = 'refused' GROUP BY state_reason;

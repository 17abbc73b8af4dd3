-- name: open(athlete_id)!
-- Made with the athlete; a second import finds it there.
INSERT INTO sync_states (athlete_id) VALUES (:athlete_id) ON CONFLICT (athlete_id) DO NOTHING;

-- name: page(after_athlete_id, most)
-- Reads only. Whoever rests, or never granted his activities, cannot be looked at.
SELECT s.*, GREATEST(a.created_at, a.state_since) AS connected_at
FROM sync_states s JOIN athletes a USING (athlete_id)
WHERE s.athlete_id > :after_athlete_id AND a.state = 'active'
    AND a.scope && ARRAY['activity:read', 'activity:read_all']
ORDER BY s.athlete_id LIMIT :most::integer;

-- name: get(athlete_id)^
-- Reads only.
SELECT s.*, GREATEST(a.created_at, a.state_since) AS connected_at
FROM sync_states s JOIN athletes a USING (athlete_id) WHERE s.athlete_id = :athlete_id;

-- name: record(athlete_id, synced_at, reached_to, is_audit, missed_at)!
-- Written under the athlete's turn, one look at a time; a clock set back never takes anything back.
UPDATE sync_states SET
    synced_at = GREATEST(synced_at, :synced_at::timestamptz), reached_to = :reached_to::timestamptz,
    audited_at = CASE WHEN :is_audit::boolean THEN GREATEST(audited_at, :synced_at::timestamptz) ELSE audited_at END,
    missed_at = GREATEST(missed_at, :missed_at::timestamptz)
WHERE athlete_id = :athlete_id;

-- name: record_walk(athlete_id, walked_at)!
-- Written under the athlete's turn.
UPDATE sync_states SET walked_at = GREATEST(walked_at, :walked_at::timestamptz) WHERE athlete_id = :athlete_id;

-- name: miss(athlete_id, missed_at)!
-- Written under the athlete's turn.
UPDATE sync_states SET missed_at = GREATEST(missed_at, :missed_at::timestamptz) WHERE athlete_id = :athlete_id;

-- name: newest_id(athlete_id)$
-- Reads only.
SELECT newest_id FROM sync_states WHERE athlete_id = :athlete_id;

-- name: see_first_list(athlete_id, newest_id)!
-- The first to come stays.
UPDATE sync_states SET newest_id = :newest_id WHERE athlete_id = :athlete_id AND newest_id IS NULL;

-- name: see_activity(athlete_id, start_at)!
-- Only ever forward, and no write where it would change nothing.
UPDATE sync_states SET active_at = :start_at::timestamptz
WHERE athlete_id = :athlete_id AND (active_at IS NULL OR active_at < :start_at::timestamptz);

-- name: put_uploads(athlete_id, uploads, uploads_at)!
-- Read and written under the athlete's turn: nobody else touches these two columns.
UPDATE sync_states SET uploads = :uploads::double precision[], uploads_at = :uploads_at::timestamptz
WHERE athlete_id = :athlete_id;

-- name: hear_events(athlete_ids, event_at)!
-- Rows are locked in the order of ids, so that two daemons that fold cannot deadlock. One write a minute and
-- athlete is enough, whatever storm of events comes in.
WITH held AS (
    SELECT athlete_id FROM sync_states
    WHERE athlete_id = ANY(:athlete_ids::bigint[])
        AND (event_at IS NULL OR event_at < :event_at::timestamptz - interval '1 minute')
    ORDER BY athlete_id FOR NO KEY UPDATE
)
UPDATE sync_states SET event_at = :event_at::timestamptz FROM held WHERE sync_states.athlete_id = held.athlete_id;

-- name: count_active()$
-- Reads only.
SELECT count(*) FROM athletes WHERE state = 'active';

-- name: take_ask(athlete_id, now, every_seconds)^
-- One statement: of two that ask at once, the second waits for the row and finds the first's instant in it. An instant
-- that lies far ahead was written by a clock that was set back since, and counts no more.
UPDATE sync_states SET asked_at = :now::timestamptz
WHERE athlete_id = :athlete_id AND (asked_at IS NULL OR asked_at
    NOT BETWEEN :now::timestamptz - make_interval(secs => :every_seconds::double precision)
        AND :now::timestamptz + make_interval(secs => :every_seconds::double precision))
RETURNING athlete_id;

-- name: asked_at(athlete_id)$
-- Reads only.
SELECT asked_at FROM sync_states WHERE athlete_id = :athlete_id;

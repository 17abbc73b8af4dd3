-- name: open(athlete_ids, days, now)
-- For those of them who can be asked about. Made once: whoever comes second finds it there. A farther target, after the
-- setting was raised, goes on where the list was left; a refused one begins again.
INSERT INTO backfills AS b (athlete_id, state, target_from, started_at)
SELECT a.athlete_id, 'listing', t.target_from, :now::timestamptz
FROM athletes a
CROSS JOIN LATERAL (
    SELECT GREATEST(a.created_at, a.state_since) - make_interval(days => :days::integer) AS target_from
) AS t
WHERE :days::integer > 0 AND a.athlete_id = ANY(:athlete_ids::bigint[])
    AND a.state = 'active' AND a.scope && ARRAY['activity:read', 'activity:read_all']
    AND NOT EXISTS (  -- the conflict clause decides; this spares it those who have theirs, at every start
        SELECT 1 FROM backfills k WHERE k.athlete_id = a.athlete_id AND k.state <> 'refused'
            AND k.target_from <= t.target_from + interval '1 hour')
ORDER BY a.athlete_id
ON CONFLICT (athlete_id) DO UPDATE SET state = 'listing', finished_at = NULL, reason = NULL,
    target_from = LEAST(b.target_from, excluded.target_from)
WHERE b.state = 'refused' OR excluded.target_from < b.target_from - interval '1 hour'
RETURNING b.athlete_id;

-- name: hold_idle(athlete_ids, died_before)
-- Those (NULL: of everybody) that go on and have no step queued or running, nor one that died since. Athletes are held
-- as in athletes.hold_known: no step is queued for one who is being erased. Two that ask at once queue the same step,
-- which coalesces.
SELECT b.athlete_id FROM backfills b JOIN athletes a USING (athlete_id)
WHERE b.finished_at IS NULL AND a.state = 'active'
    AND (:athlete_ids::bigint[] IS NULL OR b.athlete_id = ANY(:athlete_ids::bigint[])) AND NOT EXISTS (
    SELECT 1 FROM jobs j WHERE j.state = 'queued' AND j.dedup_key = 'backfill:' || b.athlete_id)
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'running' AND j.serial_key = b.athlete_id AND j.kind = 'backfill')
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'dead' AND j.settled_at >= :died_before::timestamptz
        AND j.serial_key = b.athlete_id AND j.kind = 'backfill')
ORDER BY b.athlete_id FOR KEY SHARE OF a SKIP LOCKED;

-- name: get(athlete_id)^
-- Reads only.
SELECT * FROM backfills WHERE athlete_id = :athlete_id;

-- name: turn_page(athlete_id, listed_to, found)!
-- Written under the athlete's turn, in the transaction that stores the page.
UPDATE backfills SET listed_to = LEAST(listed_to, :listed_to::timestamptz), pages = pages + 1, found = found + :found::integer
WHERE athlete_id = :athlete_id;

-- name: begin_fetching(athlete_id)!
-- Written under the athlete's turn.
UPDATE backfills SET state = 'fetching' WHERE athlete_id = :athlete_id AND state = 'listing';

-- name: set_aside(athlete_id)!
-- Written under the athlete's turn.
UPDATE backfills SET failed = failed + 1 WHERE athlete_id = :athlete_id;

-- name: finish(athlete_id, now)!
-- Written under the athlete's turn.
UPDATE backfills SET state = 'finished', finished_at = :now WHERE athlete_id = :athlete_id;

-- name: refuse(athlete_id, reason, now)!
-- Written under the athlete's turn.
UPDATE backfills SET state = 'refused', reason = :reason, finished_at = :now WHERE athlete_id = :athlete_id;

-- name: progress(athlete_id)
-- Reads only. What is left is counted from what is stored, so that whoever fetched something, it is done.
SELECT b.*, a.name, a.state AS athlete_state, v.unlooked
FROM backfills b JOIN athletes a USING (athlete_id) CROSS JOIN LATERAL (
    SELECT count(*)::integer AS unlooked FROM activities v
    WHERE v.athlete_id = b.athlete_id AND v.streams_state = 'wanted' AND v.start_at >= b.target_from
        AND NOT EXISTS (SELECT 1 FROM activity_statistics s WHERE s.activity_id = v.activity_id)
) AS v
WHERE :athlete_id::bigint IS NULL OR b.athlete_id = :athlete_id::bigint
ORDER BY b.finished_at IS NOT NULL, b.started_at, b.athlete_id;

-- name: summed_up(most)^
-- Reads only. What is left is counted up to `most`: of a fleet's first weeks it may be millions.
SELECT count(*) FILTER (WHERE b.state = 'listing')::bigint AS listing,
    count(*) FILTER (WHERE b.state = 'fetching')::bigint AS fetching,
    count(*) FILTER (WHERE b.state = 'finished')::bigint AS finished,
    count(*) FILTER (WHERE b.state = 'refused')::bigint AS refused,
    coalesce(sum(b.found), 0)::bigint AS found, coalesce(sum(b.failed), 0)::bigint AS failed,
    (SELECT count(*) FROM (
        SELECT 1 FROM activities v JOIN backfills u USING (athlete_id)
        WHERE v.streams_state = 'wanted' AND u.finished_at IS NULL AND v.start_at >= u.target_from
            AND NOT EXISTS (SELECT 1 FROM activity_statistics s WHERE s.activity_id = v.activity_id)
        LIMIT :most::integer) AS unlooked)::bigint AS unlooked
FROM backfills b;

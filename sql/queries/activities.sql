-- name: known(activity_id, athlete_id)^
SELECT a.sport_type, a.start_at, a.elapsed_seconds, a.moving_seconds, a.distance_m, a.trainer, a.streams_state,
    s.version
FROM activities a LEFT JOIN activity_statistics s USING (activity_id)
WHERE a.activity_id = :activity_id AND a.athlete_id = :athlete_id;

-- name: upsert(activity, now)^
-- Writes only what differs, so that a second look changes nothing and makes no news. The owner never changes:
-- an id that belongs to another athlete is left alone and returns no row.
INSERT INTO activities AS a (activity_id, athlete_id, sport_type, name, start_at, local_start_at, timezone,
    elapsed_seconds, moving_seconds, distance_m, elevation_gain_m, average_heart_rate, max_heart_rate, average_watts,
    perceived_exertion, has_heart_rate, device_watts, trainer, manual, private, visibility, upload_id, hidden_start,
    streams_state, first_seen_at, changed_at)
SELECT n.activity_id, n.athlete_id, n.sport_type, n.name, n.start_at, n.local_start_at, n.timezone,
    n.elapsed_seconds, n.moving_seconds, n.distance_m, n.elevation_gain_m, n.average_heart_rate, n.max_heart_rate, n.average_watts,
    n.perceived_exertion, n.has_heart_rate, n.device_watts, n.trainer, n.manual, n.private, n.visibility,
    n.upload_id, n.hidden_start, n.streams_state, :now::timestamptz, :now::timestamptz
FROM jsonb_populate_record(NULL::activities, :activity::jsonb) AS n
ON CONFLICT (activity_id) DO UPDATE SET
    sport_type = excluded.sport_type, name = excluded.name, start_at = excluded.start_at,
    local_start_at = excluded.local_start_at, timezone = excluded.timezone,
    elapsed_seconds = excluded.elapsed_seconds, moving_seconds = excluded.moving_seconds,
    distance_m = excluded.distance_m, elevation_gain_m = excluded.elevation_gain_m,
    average_heart_rate = excluded.average_heart_rate, max_heart_rate = excluded.max_heart_rate,
    average_watts = excluded.average_watts,
    perceived_exertion = excluded.perceived_exertion, has_heart_rate = excluded.has_heart_rate,
    device_watts = excluded.device_watts, trainer = excluded.trainer, manual = excluded.manual,
    private = excluded.private, visibility = excluded.visibility, upload_id = excluded.upload_id,
    hidden_start = excluded.hidden_start, streams_state = excluded.streams_state, changed_at = excluded.changed_at
WHERE a.athlete_id = excluded.athlete_id
    AND (a.sport_type, a.name, a.start_at, a.local_start_at, a.timezone, a.elapsed_seconds, a.moving_seconds,
        a.distance_m, a.elevation_gain_m, a.average_heart_rate, a.max_heart_rate, a.average_watts, a.perceived_exertion,
        a.has_heart_rate, a.device_watts, a.trainer, a.manual, a.private, a.visibility, a.upload_id, a.hidden_start,
        a.streams_state)
    IS DISTINCT FROM (excluded.sport_type, excluded.name, excluded.start_at, excluded.local_start_at,
        excluded.timezone, excluded.elapsed_seconds, excluded.moving_seconds, excluded.distance_m,
        excluded.elevation_gain_m, excluded.average_heart_rate, excluded.max_heart_rate, excluded.average_watts, excluded.perceived_exertion,
        excluded.has_heart_rate, excluded.device_watts, excluded.trainer, excluded.manual, excluded.private,
        excluded.visibility, excluded.upload_id, excluded.hidden_start, excluded.streams_state)
RETURNING (xmax = 0) AS is_new;

-- name: get(activity_id)^
SELECT * FROM activities WHERE activity_id = :activity_id;

-- name: put_statistics(activity_id, columns, now)!
INSERT INTO activity_statistics
SELECT n.* FROM jsonb_populate_record(NULL::activity_statistics,
    :columns::jsonb || jsonb_build_object('activity_id', :activity_id::bigint, 'computed_at', :now::timestamptz)) AS n
ON CONFLICT (activity_id) DO UPDATE SET
    version = excluded.version, family = excluded.family, elapsed_seconds = excluded.elapsed_seconds,
    moving_seconds = excluded.moving_seconds, counted_seconds = excluded.counted_seconds,
    distance_m = excluded.distance_m, device_watts = excluded.device_watts, trainer = excluded.trainer,
    perceived_exertion = excluded.perceived_exertion, power_known_seconds = excluded.power_known_seconds,
    heart_rate_known_seconds = excluded.heart_rate_known_seconds, speed_known_seconds = excluded.speed_known_seconds,
    power_sum4 = excluded.power_sum4, power_count = excluded.power_count, speed_sum4 = excluded.speed_sum4,
    speed_count = excluded.speed_count, graded_minetti_sum4 = excluded.graded_minetti_sum4,
    graded_minetti_count = excluded.graded_minetti_count, graded_strava_sum4 = excluded.graded_strava_sum4,
    graded_strava_count = excluded.graded_strava_count, heart_rate_seconds = excluded.heart_rate_seconds,
    power_curve = excluded.power_curve, speed_curve = excluded.speed_curve,
    graded_minetti_curve = excluded.graded_minetti_curve, graded_strava_curve = excluded.graded_strava_curve,
    heart_rate_curve = excluded.heart_rate_curve, heart_rate_at_best_power = excluded.heart_rate_at_best_power,
    heart_rate_at_best_graded_minetti = excluded.heart_rate_at_best_graded_minetti,
    heart_rate_at_best_graded_strava = excluded.heart_rate_at_best_graded_strava,
    best_swim_seconds = excluded.best_swim_seconds, quality = excluded.quality, computed_at = excluded.computed_at;

-- name: statistics(activity_id)^
SELECT * FROM activity_statistics WHERE activity_id = :activity_id;

-- name: put_loads(loads, now)
-- Writes only what differs, and returns it; an activity that is gone meanwhile is left out. Under the athlete's turn.
INSERT INTO activity_loads AS l (activity_id, method, raw, modifier, modifier_parts, modifier_explanation, inputs,
    thresholds, refused, explanation, version, computed_at)
SELECT n.activity_id, n.method, n.raw, n.modifier, n.modifier_parts, n.modifier_explanation, n.inputs, n.thresholds,
    n.refused, n.explanation, n.version, :now::timestamptz
FROM jsonb_populate_recordset(NULL::activity_loads, convert_from(:loads::bytea, 'UTF8')::jsonb) AS n
    JOIN activities a USING (activity_id)
ON CONFLICT (activity_id) DO UPDATE SET method = excluded.method, raw = excluded.raw, modifier = excluded.modifier,
    modifier_parts = excluded.modifier_parts, modifier_explanation = excluded.modifier_explanation,
    inputs = excluded.inputs, thresholds = excluded.thresholds, refused = excluded.refused,
    explanation = excluded.explanation, version = excluded.version, computed_at = excluded.computed_at
WHERE (l.method, l.raw, l.modifier, l.modifier_parts, l.modifier_explanation, l.inputs, l.thresholds, l.refused,
        l.explanation, l.version)
    IS DISTINCT FROM (excluded.method, excluded.raw, excluded.modifier, excluded.modifier_parts,
        excluded.modifier_explanation, excluded.inputs, excluded.thresholds, excluded.refused, excluded.explanation,
        excluded.version)
RETURNING activity_id, (SELECT a.local_start_at::date FROM activities a WHERE a.activity_id = l.activity_id) AS local_on;

-- name: load(activity_id)^
SELECT method, raw, modifier, modifier_parts, modifier_explanation, utl, inputs, thresholds, refused, explanation,
    version, computed_at
FROM activity_loads
WHERE activity_id = :activity_id;

-- name: put_streams(activity_id, body, now)!
INSERT INTO activity_streams (activity_id, body, stored_at) VALUES (:activity_id, :body, :now)
ON CONFLICT (activity_id) DO UPDATE SET body = excluded.body, stored_at = excluded.stored_at;

-- name: prune_streams(before, most)$
WITH old AS (
    SELECT activity_id FROM activity_streams WHERE stored_at < :before::timestamptz LIMIT :most::integer
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM activity_streams WHERE activity_id IN (SELECT activity_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: bury(activity_id, athlete_id, reason, now)^
-- Everything that was held of it goes; the tombstone says that it was. Another athlete's activity is not touched.
WITH gone AS (
    DELETE FROM activities WHERE activity_id = :activity_id AND athlete_id = :athlete_id
    RETURNING local_start_at
), marked AS (
    INSERT INTO tombstones (activity_id, athlete_id, buried_at, reason)
    VALUES (:activity_id, :athlete_id, :now::timestamptz, :reason) ON CONFLICT (activity_id) DO NOTHING
)
SELECT local_start_at FROM gone;

-- name: unbury(activity_id, athlete_id)!
DELETE FROM tombstones WHERE activity_id = :activity_id AND athlete_id = :athlete_id;

-- name: tombstone(activity_id)^
SELECT activity_id, athlete_id, buried_at, reason FROM tombstones WHERE activity_id = :activity_id;

-- name: list_newest(athlete_id, most)
SELECT a.activity_id, a.athlete_id, a.sport_type, a.name, a.start_at, a.local_start_at, a.elapsed_seconds,
    a.moving_seconds, a.distance_m, a.streams_state, l.method, l.raw, l.utl
FROM activities a LEFT JOIN activity_loads l USING (activity_id)
WHERE :athlete_id::bigint IS NULL OR a.athlete_id = :athlete_id::bigint
ORDER BY a.start_at DESC, a.activity_id DESC LIMIT :most::integer;

-- name: count_all()^
SELECT count(*)::bigint AS activities, count(*) FILTER (WHERE streams_state = 'wanted')::bigint AS waiting
FROM activities;

-- name: hold_against(athlete_id, after_at, before_at, listed_ids)
-- What is stored in a window, and of the listed ones also what started elsewhere when it was stored. Reads only;
-- the athlete's turn is held, so that no look of his runs between this and what follows from it.
SELECT a.*, s.version, u.asked_at AS suspected_at
FROM activities a LEFT JOIN activity_statistics s USING (activity_id) LEFT JOIN suspicions u USING (activity_id)
WHERE a.athlete_id = :athlete_id AND (
    (a.start_at > coalesce(:after_at::timestamptz, '-infinity') AND a.start_at < coalesce(:before_at::timestamptz, 'infinity'))
    OR a.activity_id = ANY(:listed_ids::bigint[]));

-- name: buried_since(activity_ids, since)
-- Reads only.
SELECT activity_id FROM tombstones WHERE activity_id = ANY(:activity_ids::bigint[]) AND buried_at > :since::timestamptz;

-- name: suspect(activity_ids, now)!
-- Under the athlete's turn.
INSERT INTO suspicions (activity_id, asked_at)
SELECT activity_id, :now::timestamptz FROM unnest(:activity_ids::bigint[]) AS u (activity_id)
ON CONFLICT (activity_id) DO UPDATE SET asked_at = excluded.asked_at;

-- name: next_unlooked(athlete_id, from_at)^
-- The newest of the listed ones whose streams were never asked for. Reads only; the turn is held.
SELECT a.* FROM activities a
WHERE a.athlete_id = :athlete_id AND a.streams_state = 'wanted' AND a.start_at >= :from_at::timestamptz
    AND NOT EXISTS (SELECT 1 FROM activity_statistics s WHERE s.activity_id = a.activity_id)
ORDER BY a.start_at DESC, a.activity_id DESC LIMIT 1;

-- name: totals_from(athlete_id, from_on, most)^
-- Whole local days from `from_on` on, about `most` activities, and the day on which the next slice begins (NULL: there
-- is none). The rows are JSON bytes that go to the worker process unread. Reads only; what is stored meanwhile is
-- scored by whoever stores it, under the athlete's turn.
WITH head AS (
    SELECT CASE WHEN count(*) > :most::integer THEN greatest(max(local_on), min(local_on) + 1) END AS next_on
    FROM (
        SELECT local_start_at::date AS local_on FROM activities
        WHERE athlete_id = :athlete_id AND local_start_at >= :from_on::date
        ORDER BY local_start_at LIMIT :most::integer + 1
    ) AS ahead
)
SELECT head.next_on, count(a.activity_id)::integer AS activities, min(a.local_start_at)::date AS first_on,
    max(a.local_start_at)::date AS last_on,
    convert_to(coalesce(json_agg(json_build_object(
        'activity_id', a.activity_id, 'local_on', a.local_start_at::date, 'sport_type', a.sport_type,
        'totals', json_build_object(
            'version', s.version, 'family', s.family, 'elapsed_seconds', s.elapsed_seconds,
            'moving_seconds', s.moving_seconds, 'counted_seconds', s.counted_seconds, 'distance_m', s.distance_m,
            'device_watts', s.device_watts, 'trainer', s.trainer, 'perceived_exertion', s.perceived_exertion,
            'power_known_seconds', s.power_known_seconds, 'heart_rate_known_seconds', s.heart_rate_known_seconds,
            'speed_known_seconds', s.speed_known_seconds, 'power_sum4', s.power_sum4, 'power_count', s.power_count,
            'speed_sum4', s.speed_sum4, 'speed_count', s.speed_count, 'graded_minetti_sum4', s.graded_minetti_sum4,
            'graded_minetti_count', s.graded_minetti_count, 'graded_strava_sum4', s.graded_strava_sum4,
            'graded_strava_count', s.graded_strava_count, 'heart_rate_seconds', s.heart_rate_seconds)
        ) ORDER BY a.local_start_at, a.activity_id) FILTER (WHERE a.activity_id IS NOT NULL), '[]')::text, 'UTF8')
        AS rows
FROM head LEFT JOIN (activities a JOIN activity_statistics s USING (activity_id))
    ON a.athlete_id = :athlete_id AND a.local_start_at >= :from_on::date
    AND (head.next_on IS NULL OR a.local_start_at < head.next_on)
GROUP BY head.next_on;

-- name: loads_from(athlete_id, from_on)
-- What a preview is held against. One snapshot.
SELECT a.activity_id, a.local_start_at::date AS local_on, a.sport_type, a.name, l.method, l.raw, l.modifier, l.utl
FROM activities a JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.local_start_at >= :from_on::date ORDER BY a.local_start_at, a.activity_id;

-- name: evidence(athlete_id, since_on, year_on, minetti)
-- What thresholds are told from: two years of heart rates, of the last year the other curves as well. Arrays come as
-- PostgreSQL sends them, for the worker process to read: half a million Python floats would hold up the loop.
SELECT a.activity_id, a.start_at AS started_at, a.local_start_at::date AS local_on, s.family, s.moving_seconds,
    CASE WHEN a.local_start_at >= :year_on::date THEN array_send(s.power_curve) END AS power_curve,
    CASE WHEN a.local_start_at >= :year_on::date THEN array_send(
        CASE WHEN :minetti::boolean THEN s.graded_minetti_curve ELSE s.graded_strava_curve END) END AS graded_curve,
    array_send(s.heart_rate_curve) AS heart_rate_curve,
    CASE WHEN a.local_start_at >= :year_on::date THEN array_send(s.heart_rate_at_best_power) END
        AS heart_rate_at_best_power,
    CASE WHEN a.local_start_at >= :year_on::date THEN array_send(
        CASE WHEN :minetti::boolean THEN s.heart_rate_at_best_graded_minetti
            ELSE s.heart_rate_at_best_graded_strava END) END AS heart_rate_at_best_graded,
    CASE WHEN a.local_start_at >= :year_on::date THEN array_send(s.best_swim_seconds) END AS best_swim_seconds
FROM activities a JOIN activity_statistics s USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.local_start_at >= :since_on::date ORDER BY a.activity_id;

-- name: sessions_since(athlete_id, since)
-- What says whether thresholds are due for a look. Reads only, some rows of an index.
SELECT a.start_at AS started_at, s.family, a.moving_seconds
FROM activities a JOIN activity_statistics s USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.start_at >= :since::timestamptz;

-- name: newest_place(athlete_id)^
-- Where the athlete last was. Reads only.
SELECT timezone, local_start_at - (start_at AT TIME ZONE 'UTC') AS utc_offset FROM activities
WHERE athlete_id = :athlete_id ORDER BY start_at DESC LIMIT 1;

-- name: stored_streams(activity_id)^
-- Reads only.
SELECT body FROM activity_streams WHERE activity_id = :activity_id;

-- name: next_outdated(athlete_id, version, before_at, before_id)^
-- The newest activity below the cursor (NULL: from the newest) whose statistics another version made.
-- Reads only; the turn is held.
SELECT a.* FROM activities a JOIN activity_statistics s USING (activity_id)
WHERE a.athlete_id = :athlete_id AND s.version <> :version::integer AND a.streams_state <> 'wanted'
    AND (:before_at::timestamptz IS NULL OR (a.start_at, a.activity_id) < (:before_at::timestamptz, :before_id::bigint))
ORDER BY a.start_at DESC, a.activity_id DESC LIMIT 1;

-- name: hold_outdated(athlete_ids, version)
-- Of these athletes, whose statistics another version made, with no renewal under way; where few are left by the index
-- on versions, so that finding nothing costs nothing. Athletes are held as in athletes.hold_known. Two that ask at once
-- queue the same step.
SELECT t.athlete_id FROM athletes t
WHERE t.athlete_id IN (
        SELECT a.athlete_id FROM activity_statistics s JOIN activities a USING (activity_id)
        WHERE a.athlete_id = ANY(:athlete_ids::bigint[]) AND a.streams_state <> 'wanted'
            AND (s.version < :version::integer OR s.version > :version::integer))
    AND NOT EXISTS (
        SELECT 1 FROM jobs j WHERE j.state = 'queued' AND j.dedup_key = 'renew_statistics:' || t.athlete_id)
    AND NOT EXISTS (
        SELECT 1 FROM jobs j WHERE j.state = 'running' AND j.serial_key = t.athlete_id AND j.kind = 'renew_statistics')
ORDER BY t.athlete_id FOR KEY SHARE OF t SKIP LOCKED;

-- name: hold_outdated_loads(athlete_ids, version)
-- Which of these has loads that another version made, and from which local day on; as hold_outdated.
SELECT t.athlete_id, (
    SELECT min(a.local_start_at)::date FROM activities a JOIN activity_loads l USING (activity_id)
    WHERE a.athlete_id = t.athlete_id AND l.version <> :version::integer) AS from_on
FROM athletes t
WHERE t.athlete_id IN (
    SELECT a.athlete_id FROM activity_loads l JOIN activities a USING (activity_id)
    WHERE a.athlete_id = ANY(:athlete_ids::bigint[])
        AND (l.version < :version::integer OR l.version > :version::integer))
ORDER BY t.athlete_id FOR KEY SHARE OF t SKIP LOCKED;

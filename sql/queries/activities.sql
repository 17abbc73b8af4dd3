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

-- name: put_load(activity_id, method, raw, inputs, thresholds, refused, explanation, version, now)^
-- Returns a row only where the load changed.
INSERT INTO activity_loads AS l (activity_id, method, raw, inputs, thresholds, refused, explanation, version, computed_at)
VALUES (:activity_id, :method, :raw, :inputs, :thresholds, :refused, :explanation, :version, :now)
ON CONFLICT (activity_id) DO UPDATE SET method = excluded.method, raw = excluded.raw, inputs = excluded.inputs,
    thresholds = excluded.thresholds, refused = excluded.refused, explanation = excluded.explanation,
    version = excluded.version, computed_at = excluded.computed_at
WHERE (l.method, l.raw, l.inputs, l.thresholds, l.refused, l.explanation, l.version)
    IS DISTINCT FROM (excluded.method, excluded.raw, excluded.inputs, excluded.thresholds, excluded.refused,
        excluded.explanation, excluded.version)
RETURNING l.raw, l.utl;

-- name: load(activity_id)^
SELECT method, raw, modifier, utl, inputs, thresholds, refused, explanation, version, computed_at FROM activity_loads
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

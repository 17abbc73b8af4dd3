-- name: page(athlete_id, sport_type, before_at, before_id, most)
-- Reads only. The next rows after a place in (start_at, activity_id): what comes in meanwhile moves none of them.
SELECT a.activity_id, a.name, a.sport_type, a.start_at, a.local_start_at, a.moving_seconds, a.distance_m,
    a.streams_state, l.method, l.utl AS load, l.thresholds
FROM activities a LEFT JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND (:sport_type::text IS NULL OR a.sport_type = :sport_type::text)
    AND (a.start_at, a.activity_id)
        < (coalesce(:before_at::timestamptz, 'infinity'), coalesce(:before_id::bigint, 9223372036854775807))
ORDER BY a.start_at DESC, a.activity_id DESC LIMIT :most::integer;

-- name: one(athlete_id, activity_id)^
-- One statement, one snapshot: activity, statistics and load belong together. Another athlete's is not found.
SELECT a.activity_id, a.name, a.sport_type, a.start_at, a.local_start_at, a.moving_seconds, a.distance_m,
    a.streams_state, a.elevation_gain_m, a.average_heart_rate, a.average_watts, s.quality, l.method, l.raw, l.modifier,
    l.utl AS load, l.modifier_parts, l.modifier_explanation, l.inputs, l.thresholds, l.refused, l.explanation, l.version,
    l.computed_at
FROM activities a LEFT JOIN activity_statistics s USING (activity_id) LEFT JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.activity_id = :activity_id;

-- name: loads_between(athlete_id, first_on, last_on, raw)$
-- One snapshot. Those that no method could score are not among them. JSON, because a history has thousands, and most
-- of them the same thresholds, whose text tells that they are.
SELECT convert_to(coalesce(json_agg(json_build_object('activity_id', a.activity_id, 'on', a.local_start_at::date,
        'name', a.name, 'sport_type', a.sport_type, 'method', l.method,
        'load', CASE WHEN :raw::boolean THEN l.raw ELSE l.utl END, 'thresholds', l.thresholds::text)
    ORDER BY a.local_start_at, a.activity_id), '[]')::text, 'UTF8')
FROM activities a JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.local_start_at >= :first_on::date AND a.local_start_at < :last_on::date + 1
    AND l.raw IS NOT NULL;

-- name: curves(athlete_id, channel, family, first_on, last_on)
-- One snapshot, of one family's curves. Arrays come as PostgreSQL sends them, for the worker process to read.
SELECT a.activity_id, a.local_start_at::date AS local_on, array_send(c.curve) AS curve
FROM activities a JOIN activity_statistics s USING (activity_id) CROSS JOIN LATERAL (SELECT CASE :channel::text
        WHEN 'power' THEN s.power_curve
        WHEN 'graded_minetti' THEN s.graded_minetti_curve
        WHEN 'graded_strava' THEN s.graded_strava_curve END AS curve) AS c
WHERE a.athlete_id = :athlete_id AND s.family = :family AND c.curve IS NOT NULL
    AND a.local_start_at >= :first_on::date AND a.local_start_at < :last_on::date + 1;

-- name: count(athlete_id)$
-- Reads only.
SELECT count(*) FROM activities WHERE athlete_id = :athlete_id;

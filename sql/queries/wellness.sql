-- name: lock(athlete_id)!
-- Writers of one athlete's wellness and modifiers take turns until their transaction ends; nobody else waits. What
-- the one before has committed is then seen. A hash collision only makes two athletes take turns.
SELECT pg_advisory_xact_lock(2003790949, hashint8(:athlete_id::bigint));

-- name: read(athlete_id, first_on, last_on)
-- One statement, one snapshot: no day is seen half changed.
SELECT * FROM wellness
WHERE athlete_id = :athlete_id AND on_day BETWEEN :first_on::date AND :last_on::date ORDER BY on_day, source;

-- name: put(athlete_id, source, days, now)!
-- Whole rows of one source, under the lock: the writer has seen what he replaces.
INSERT INTO wellness
SELECT n.* FROM jsonb_array_elements(:days::jsonb) AS day,
    jsonb_populate_record(NULL::wellness, day || jsonb_build_object('athlete_id', :athlete_id::bigint,
        'source', :source::text, 'updated_at', :now::timestamptz)) AS n
ON CONFLICT (athlete_id, on_day, source) DO UPDATE SET
    resting_hr = excluded.resting_hr, hrv_rmssd = excluded.hrv_rmssd, hrv_sdnn = excluded.hrv_sdnn,
    sleep_seconds = excluded.sleep_seconds, sleep_score = excluded.sleep_score,
    sleep_quality = excluded.sleep_quality, soreness = excluded.soreness, fatigue = excluded.fatigue,
    stress = excluded.stress, mood = excluded.mood, motivation = excluded.motivation, injury = excluded.injury,
    readiness = excluded.readiness, weight_kg = excluded.weight_kg, updated_at = excluded.updated_at;

-- name: remove(athlete_id, source, days)!
-- Days of which a source knows nothing any more, under the lock.
DELETE FROM wellness WHERE athlete_id = :athlete_id AND source = :source AND on_day = ANY(:days::date[]);

-- name: read_modifiers(athlete_id, first_on, last_on)
-- One statement, one snapshot; whoever goes on to write holds the lock.
SELECT on_day, value, parts, explanation, computed_at FROM wellness_modifiers
WHERE athlete_id = :athlete_id AND on_day BETWEEN :first_on::date AND :last_on::date ORDER BY on_day;

-- name: put_modifiers(athlete_id, modifiers, now)!
-- Under the lock, so that none is overwritten by one that was computed from older values.
INSERT INTO wellness_modifiers (athlete_id, on_day, value, parts, explanation, computed_at)
SELECT :athlete_id::bigint, n.on_day, n.value, n.parts, n.explanation, :now::timestamptz
FROM jsonb_to_recordset(:modifiers::jsonb)
    AS n (on_day date, value double precision, parts jsonb, explanation text)
ON CONFLICT (athlete_id, on_day) DO UPDATE SET value = excluded.value, parts = excluded.parts,
    explanation = excluded.explanation, computed_at = excluded.computed_at;

-- name: remove_modifiers(athlete_id, days)!
-- Days of which nothing is known any more, under the lock.
DELETE FROM wellness_modifiers WHERE athlete_id = :athlete_id AND on_day = ANY(:days::date[]);

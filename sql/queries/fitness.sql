-- name: state_on(athlete_id, on_day)^
-- Written under the athlete's turn only; a reader sees one day as it was committed.
SELECT on_day, load, ctl, atl, tsb FROM fitness WHERE athlete_id = :athlete_id AND on_day = :on_day;

-- name: last_on(athlete_id)$
-- Reads only.
SELECT max(on_day) FROM fitness WHERE athlete_id = :athlete_id;

-- name: first_load_on(athlete_id, last_on)$
-- Reads only.
SELECT min(a.local_start_at)::date FROM activities a JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.local_start_at < :last_on::date + 1 AND l.raw IS NOT NULL;

-- name: loads_between(athlete_id, first_on, last_on)
-- One snapshot: a load that is stored meanwhile marks its day as dirty again.
SELECT a.local_start_at::date AS on_day, l.raw, l.utl FROM activities a JOIN activity_loads l USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.local_start_at >= :first_on::date AND a.local_start_at < :last_on::date + 1
    AND l.raw IS NOT NULL;

-- name: forget_from(athlete_id, from_on, first_on, last_on)!
-- Days that are not computed any more: nothing was done before them, or they lie ahead. Under the athlete's turn.
DELETE FROM fitness WHERE athlete_id = :athlete_id AND on_day >= :from_on::date
    AND NOT on_day BETWEEN :first_on::date AND :last_on::date;

-- name: put(athlete_id, days, loads, ctls, atls, tsbs)!
-- Under the athlete's turn; days that come out the same are not written again.
INSERT INTO fitness AS f (athlete_id, on_day, load, ctl, atl, tsb)
SELECT :athlete_id, n.on_day, n.load, n.ctl, n.atl, n.tsb
FROM unnest(:days::date[], :loads::double precision[], :ctls::double precision[], :atls::double precision[],
    :tsbs::double precision[]) AS n (on_day, load, ctl, atl, tsb)
ON CONFLICT (athlete_id, on_day) DO UPDATE SET load = excluded.load, ctl = excluded.ctl, atl = excluded.atl,
    tsb = excluded.tsb
WHERE (f.load, f.ctl, f.atl, f.tsb) IS DISTINCT FROM (excluded.load, excluded.ctl, excluded.atl, excluded.tsb);

-- name: list_from(athlete_id, from_on)
-- One snapshot.
SELECT on_day, load, ctl, atl, tsb FROM fitness WHERE athlete_id = :athlete_id AND on_day >= :from_on::date
ORDER BY on_day;

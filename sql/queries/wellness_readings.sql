-- name: between(athlete_id, first_on, last_on)
-- Reads only, one snapshot; a day that changes meanwhile causes another recompute.
SELECT on_day, source, hrv_rmssd, resting_hr, sleep_seconds FROM wellness
WHERE athlete_id = :athlete_id AND on_day BETWEEN :first_on::date AND :last_on::date
    AND num_nonnulls(hrv_rmssd, resting_hr, sleep_seconds) > 0;

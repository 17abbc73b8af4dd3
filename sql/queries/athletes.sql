-- name: upsert(athlete_id, name, sex, scope)^
-- Import or reconnect: what is not given keeps its value. Returns whether the athlete is new.
INSERT INTO athletes AS a (athlete_id, name, sex, scope) VALUES (:athlete_id, :name, :sex, :scope::text[])
ON CONFLICT (athlete_id) DO UPDATE SET
    name = coalesce(excluded.name, a.name), sex = coalesce(excluded.sex, a.sex), scope = excluded.scope,
    state = 'active', state_reason = NULL, deauthorized_at = NULL,
    state_since = CASE WHEN a.state = 'active' THEN a.state_since ELSE now() END
RETURNING (xmax = 0) AS is_new;

-- name: give_turn(athlete_id)!
-- A connected athlete's jobs may run.
INSERT INTO turns (athlete_id) VALUES (:athlete_id) ON CONFLICT (athlete_id) DO UPDATE SET resting = false;

-- name: hold_known(athlete_ids)
-- Holds them until the transaction ends, side by side with any other work but erasure: no job is queued for an
-- athlete who is being erased, where it could never run. Who is leaving is none of ours any more.
SELECT athlete_id FROM athletes WHERE athlete_id = ANY(:athlete_ids::bigint[]) AND leaving_at IS NULL
ORDER BY athlete_id FOR KEY SHARE;

-- name: hold_present(athlete_ids)
-- Held as in hold_known, but whoever is leaving is there until he is erased: that he leaves has still to be told.
SELECT athlete_id FROM athletes WHERE athlete_id = ANY(:athlete_ids::bigint[]) ORDER BY athlete_id FOR KEY SHARE;

-- name: lose_activities(athlete_id)!
-- What Strava says of a scope counts more than what was granted once; a reconnect writes the scope anew.
UPDATE athletes SET scope = array_remove(array_remove(scope, 'activity:read'), 'activity:read_all')
WHERE athlete_id = :athlete_id;

-- name: get(athlete_id)^
SELECT athlete_id, name, sex, born_on, scope, state, state_reason, state_since, deauthorized_at, leaving_at,
    fitness_dirty_from, loads_dirty_from, thresholds_looked_on, threshold_doubts
FROM athletes WHERE athlete_id = :athlete_id;

-- name: lock(athlete_id)^
-- Taken first by whatever changes credentials and state together: one order, no deadlock, and the statements after
-- it see what the one before has committed.
SELECT athlete_id FROM athletes WHERE athlete_id = :athlete_id FOR NO KEY UPDATE;

-- name: rest(athlete_id, reason, deauthorized, credentials_version)^
-- Only if the credentials that were refused are still the stored ones (0: none are): a reconnect in between wins.
WITH resting AS (
    UPDATE athletes SET state = 'needs_authorization', state_reason = :reason,
        state_since = CASE WHEN state = 'active' THEN now() ELSE state_since END,
        deauthorized_at = CASE WHEN :deauthorized::boolean THEN coalesce(deauthorized_at, now()) ELSE deauthorized_at END
    WHERE athlete_id = :athlete_id AND :credentials_version::bigint = coalesce(
        (SELECT c.version FROM credentials c WHERE c.athlete_id = :athlete_id), 0)
    RETURNING athlete_id
), rested AS (
    UPDATE turns SET resting = true FROM resting WHERE turns.athlete_id = resting.athlete_id
)
SELECT athlete_id FROM resting;

-- name: wake(athlete_id)^
-- Returns a row only where he was resting. Who is leaving sleeps on: a refresh under way as he left changes nothing.
WITH woken AS (
    UPDATE athletes SET state = 'active', state_reason = NULL, state_since = now(), deauthorized_at = NULL
    WHERE athlete_id = :athlete_id AND state <> 'active' AND leaving_at IS NULL RETURNING athlete_id
)
UPDATE turns SET resting = false FROM woken WHERE turns.athlete_id = woken.athlete_id RETURNING turns.athlete_id;

-- name: list_all()
SELECT a.athlete_id, a.name, a.sex, a.scope, a.state, a.state_reason, a.state_since,
    (SELECT count(*) FROM activities v WHERE v.athlete_id = a.athlete_id)::bigint AS activities,
    (SELECT max(v.start_at) FROM activities v WHERE v.athlete_id = a.athlete_id) AS newest_start_at,
    i.state AS intervals_state, i.state_reason AS intervals_reason
FROM athletes a LEFT JOIN intervals_credentials i USING (athlete_id) ORDER BY a.athlete_id;

-- name: count_by_state()
SELECT state, count(*)::bigint AS athletes FROM athletes GROUP BY state ORDER BY state;

-- name: dirty_fitness(athlete_id, from_on)!
UPDATE athletes SET fitness_dirty_from = LEAST(fitness_dirty_from, :from_on::date)
WHERE athlete_id = :athlete_id AND (fitness_dirty_from IS NULL OR fitness_dirty_from > :from_on::date);

-- name: hold_departed(before)
-- By the calendar, and whoever is leaving, should his own job have been lost. Held as in hold_known; whoever is being
-- erased already is passed over.
SELECT athlete_id FROM athletes
WHERE leaving_at IS NOT NULL OR (deauthorized_at < :before::timestamptz AND state = 'needs_authorization')
ORDER BY athlete_id FOR KEY SHARE SKIP LOCKED;

-- name: lock_departed(athlete_id)^
-- Erasure asks once more, under a lock that all others wait for, whether the athlete has come back.
SELECT deauthorized_at, leaving_at FROM athletes
WHERE athlete_id = :athlete_id
    AND (leaving_at IS NOT NULL OR (deauthorized_at IS NOT NULL AND state = 'needs_authorization'))
FOR UPDATE;

-- name: leave(athlete_id, at)^
-- By his own or the operator's hand. Said twice, the first time stands; none of his other jobs starts any more.
WITH leaving AS (
    UPDATE athletes SET leaving_at = coalesce(leaving_at, :at::timestamptz), state = 'needs_authorization',
        state_reason = 'is being erased',
        state_since = CASE WHEN state = 'active' THEN now() ELSE state_since END
    WHERE athlete_id = :athlete_id RETURNING athlete_id
), resting AS (
    UPDATE turns SET resting = true FROM leaving WHERE turns.athlete_id = leaving.athlete_id
)
SELECT athlete_id FROM leaving;

-- name: belongings(athlete_id)^
-- What an erasure takes along, counted for whoever asks for it. One snapshot.
SELECT a.athlete_id, a.name,
    (SELECT count(*) FROM activities v WHERE v.athlete_id = a.athlete_id)::bigint AS activities,
    (SELECT min(v.start_at) FROM activities v WHERE v.athlete_id = a.athlete_id) AS first_start_at,
    (SELECT count(*) FROM thresholds t WHERE t.athlete_id = a.athlete_id)::bigint AS thresholds,
    (SELECT count(DISTINCT w.on_day) FROM wellness w WHERE w.athlete_id = a.athlete_id)::bigint AS wellness_days,
    (SELECT count(*) FROM fitness f WHERE f.athlete_id = a.athlete_id)::bigint AS fitness_days
FROM athletes a WHERE a.athlete_id = :athlete_id;

-- name: describe(athlete_id, name, sex)!
-- What is not told keeps its value.
UPDATE athletes SET name = coalesce(:name, name), sex = coalesce(:sex, sex) WHERE athlete_id = :athlete_id;

-- name: erase(athlete_id)!
-- Everything else of the athlete's hangs on this row and goes with it.
DELETE FROM athletes WHERE athlete_id = :athlete_id;

-- name: take_dirty(athlete_id)^
-- Takes the mark away and says where it stood; locks the row, so that a mark set meanwhile waits and stays.
WITH before AS (SELECT fitness_dirty_from FROM athletes WHERE athlete_id = :athlete_id FOR NO KEY UPDATE)
UPDATE athletes SET fitness_dirty_from = NULL FROM before WHERE athlete_id = :athlete_id
RETURNING before.fitness_dirty_from;

-- name: move_loads_mark(athlete_id, next_on)!
-- With the slice that is done, in its transaction and under the athlete's turn: killed in the middle, the next one
-- begins where the last committed one has ended.
UPDATE athletes SET loads_dirty_from = :next_on::date WHERE athlete_id = :athlete_id;

-- name: looked_on(athlete_id, on_day)!
-- Forward only.
UPDATE athletes SET thresholds_looked_on = GREATEST(thresholds_looked_on, :on_day::date) WHERE athlete_id = :athlete_id;

-- name: put_doubts(athlete_id, doubts)^
-- Returns a row only where they changed.
UPDATE athletes SET threshold_doubts = :doubts WHERE athlete_id = :athlete_id AND threshold_doubts <> :doubts
RETURNING athlete_id;

-- name: born(athlete_id, born_on)!
-- What is not told keeps its value.
UPDATE athletes SET born_on = coalesce(:born_on::date, born_on) WHERE athlete_id = :athlete_id;

-- name: page_ids(after_athlete_id, most)
-- A page of everybody, in the order of ids. Reads only.
SELECT athlete_id FROM athletes WHERE athlete_id > :after_athlete_id ORDER BY athlete_id LIMIT :most::integer;

-- name: page(search, state, after_athlete_id, most)
-- In the order of ids; a search finds an id by its beginning and a name by any part. Reads only.
SELECT a.athlete_id, a.name, a.state, a.state_reason, a.state_since, a.scope, s.synced_at,
    (SELECT max(v.start_at) FROM activities v WHERE v.athlete_id = a.athlete_id) AS newest_start_at
FROM athletes a LEFT JOIN sync_states s USING (athlete_id)
WHERE a.athlete_id > :after_athlete_id AND (:state::text IS NULL OR a.state = :state)
    AND (:search::text IS NULL OR starts_with(a.athlete_id::text, :search)
        OR position(lower(:search) IN lower(a.name)) > 0)
ORDER BY a.athlete_id LIMIT :most::integer;

-- name: names(athlete_ids)
-- Reads only.
SELECT athlete_id, name FROM athletes WHERE athlete_id = ANY(:athlete_ids::bigint[]);

-- name: why_resting(most)
-- Reads only; of those who rest the newest.
SELECT state_reason, count(*)::bigint AS athletes, max(state_since) AS newest_at, max(athlete_id) AS athlete_id
FROM (SELECT state_reason, state_since, athlete_id FROM athletes WHERE state = 'needs_authorization'
    ORDER BY state_since DESC LIMIT :most::integer) AS resting
GROUP BY state_reason;

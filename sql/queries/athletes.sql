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
-- athlete who is being erased, where it could never run.
SELECT athlete_id FROM athletes WHERE athlete_id = ANY(:athlete_ids::bigint[]) ORDER BY athlete_id FOR KEY SHARE;

-- name: lose_activities(athlete_id)!
-- What Strava says of a scope counts more than what was granted once; a reconnect writes the scope anew.
UPDATE athletes SET scope = array_remove(array_remove(scope, 'activity:read'), 'activity:read_all')
WHERE athlete_id = :athlete_id;

-- name: get(athlete_id)^
SELECT athlete_id, name, sex, scope, state, state_reason, state_since, deauthorized_at FROM athletes
WHERE athlete_id = :athlete_id;

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

-- name: wake(athlete_id)!
WITH woken AS (
    UPDATE athletes SET state = 'active', state_reason = NULL, state_since = now(), deauthorized_at = NULL
    WHERE athlete_id = :athlete_id AND state <> 'active' RETURNING athlete_id
)
UPDATE turns SET resting = false FROM woken WHERE turns.athlete_id = woken.athlete_id;

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

-- name: hold_deauthorized(before)
-- Held as in hold_known; whoever is being erased already is passed over.
SELECT athlete_id FROM athletes WHERE deauthorized_at < :before::timestamptz AND state = 'needs_authorization'
ORDER BY athlete_id FOR KEY SHARE SKIP LOCKED;

-- name: lock_deauthorized(athlete_id)^
-- Erasure by the calendar asks once more, under a lock, whether the athlete has come back.
SELECT deauthorized_at FROM athletes WHERE athlete_id = :athlete_id AND state = 'needs_authorization' FOR UPDATE;

-- name: erase(athlete_id)!
-- Everything else of the athlete's hangs on this row and goes with it.
DELETE FROM athletes WHERE athlete_id = :athlete_id;

-- name: set_threshold(athlete_id, kind, value, method, effective_on, evidence)!
INSERT INTO thresholds (athlete_id, kind, value, method, effective_on, evidence)
VALUES (:athlete_id, :kind, :value, :method, :effective_on, :evidence)
ON CONFLICT (athlete_id, kind, method, effective_on) WHERE withdrawn_at IS NULL
DO UPDATE SET value = excluded.value, evidence = excluded.evidence, created_at = now()
WHERE thresholds.value <> excluded.value;

-- name: thresholds_in_force(athlete_id, on_day)
-- One row per kind: manual before any other, then the newest that was effective on that local day. What a fit only
-- suggests is never in force.
SELECT DISTINCT ON (kind) kind, value, method, threshold_id FROM thresholds
WHERE athlete_id = :athlete_id AND effective_on <= :on_day::date AND withdrawn_at IS NULL
    AND method <> 'suggested'
ORDER BY kind, (method = 'manual') DESC, effective_on DESC, threshold_id DESC;

-- name: enqueue(kinds, lanes, serial_keys, dedup_keys, payloads, lookbacks, asks_strava, while_resting, run_ats)
-- Coalesces with a queued twin: earliest instant, highest lane, widest lookback, newest payload
-- (that of the newer hint, where both tell: events come late), attempts anew.
-- A running twin does not match the partial index, so exactly one follow-up queues behind it.
-- Callers sort by dedup_key: two batches then lock in one order and cannot deadlock.
-- An athlete's jobs that wait for the same thing stand a minute apart in their lane (fair_at); what is not due before
-- takes no place. Two batches of one athlete at once may take the same places: a little less apart, no more.
INSERT INTO jobs AS j (kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, run_at,
    fair_at)
SELECT n.kind, n.lane, n.serial_key, n.dedup_key, n.payload, n.lookback_seconds, n.asks_strava, n.while_resting,
    n.run_at, greatest(n.run_at, CASE WHEN n.serial_key IS NOT NULL THEN (
        SELECT max(q.fair_at) FROM jobs q
        WHERE q.state = 'queued' AND q.serial_key = n.serial_key AND q.lane = n.lane
            AND q.asks_strava = n.asks_strava AND q.run_at <= n.run_at) + interval '1 minute' END)
        + CASE WHEN n.serial_key IS NULL THEN interval '0' ELSE interval '1 minute' * (row_number() OVER (
            PARTITION BY n.serial_key, n.lane ORDER BY n.run_at, n.place) - 1) END
FROM unnest(
    :kinds::text[], :lanes::lane[], :serial_keys::bigint[], :dedup_keys::text[], :payloads::jsonb[],
    :lookbacks::integer[], :asks_strava::boolean[], :while_resting::boolean[], :run_ats::timestamptz[])
    WITH ORDINALITY AS n (kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting,
        run_at, place)
ORDER BY n.place
ON CONFLICT (dedup_key) WHERE state = 'queued' DO UPDATE SET
    lane = LEAST(j.lane, excluded.lane),
    run_at = LEAST(j.run_at, excluded.run_at),
    fair_at = LEAST(j.fair_at, excluded.fair_at),
    lookback_seconds = GREATEST(j.lookback_seconds, excluded.lookback_seconds),
    payload = CASE WHEN (excluded.payload->>'hinted_at')::double precision < (j.payload->>'hinted_at')::double precision
        THEN excluded.payload || j.payload ELSE j.payload || excluded.payload END,
    while_resting = j.while_resting OR excluded.while_resting,
    attempts = 0
RETURNING j.job_id;

-- name: claim_due(kinds, lanes, open_lanes, lease_seconds, most)
-- One statement. SKIP LOCKED on jobs alone lets two daemons start two jobs of one athlete, because each sees a
-- snapshot from before the other's commit. The turn is therefore a row: it is locked, re-read after the lock
-- (READ COMMITTED checks job_id IS NULL and the rest again on the newest version), and marked. Nothing here waits for a lock.
-- Lanes that the ledger holds shut are passed over, so what waits for quota is neither claimed nor rewritten; what asks
-- Strava and what does not are read by an index each, or every claim would read over all that waits for quota.
-- An athlete without a turn is gone: his job must not hold a place before the others.
WITH asking AS MATERIALIZED (
    SELECT j.job_id, j.serial_key, j.lane, j.fair_at
    FROM jobs j LEFT JOIN turns t ON t.athlete_id = j.serial_key
    WHERE j.state = 'queued' AND j.asks_strava AND j.lane = ANY(:open_lanes::lane[]) AND j.lane = ANY(:lanes::lane[])
      AND j.run_at <= now() AND j.kind = ANY(:kinds::text[])
      AND (j.serial_key IS NULL OR (t.athlete_id IS NOT NULL AND t.job_id IS NULL AND (j.while_resting OR NOT t.resting)))
    ORDER BY j.lane, j.fair_at, j.job_id
    LIMIT :most::integer * 8
), others AS MATERIALIZED (
    SELECT j.job_id, j.serial_key, j.lane, j.fair_at
    FROM jobs j LEFT JOIN turns t ON t.athlete_id = j.serial_key
    WHERE j.state = 'queued' AND NOT j.asks_strava AND j.lane = ANY(:lanes::lane[])
      AND j.run_at <= now() AND j.kind = ANY(:kinds::text[])
      AND (j.serial_key IS NULL OR (t.athlete_id IS NOT NULL AND t.job_id IS NULL AND (j.while_resting OR NOT t.resting)))
    ORDER BY j.lane, j.fair_at, j.job_id
    LIMIT :most::integer * 8
), heads AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM asking UNION ALL SELECT * FROM others) AS due
    ORDER BY lane, fair_at, job_id LIMIT :most::integer * 8
), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (coalesce(serial_key, -job_id)) job_id
    FROM heads ORDER BY coalesce(serial_key, -job_id), lane, fair_at, job_id
), locked AS MATERIALIZED (
    SELECT j.job_id, j.serial_key, j.while_resting
    FROM jobs j
    WHERE j.job_id IN (SELECT job_id FROM firsts) AND j.state = 'queued'
    ORDER BY j.lane, j.fair_at, j.job_id
    LIMIT :most::integer
    FOR UPDATE SKIP LOCKED
), free AS MATERIALIZED (
    SELECT t.athlete_id
    FROM turns t JOIN locked ON t.athlete_id = locked.serial_key
    WHERE t.job_id IS NULL AND (locked.while_resting OR NOT t.resting)
    FOR UPDATE OF t SKIP LOCKED
), chosen AS MATERIALIZED (
    SELECT job_id, serial_key FROM locked
    WHERE serial_key IS NULL OR serial_key IN (SELECT athlete_id FROM free)
), taken AS (
    UPDATE turns SET job_id = chosen.job_id FROM chosen WHERE turns.athlete_id = chosen.serial_key
)
UPDATE jobs SET state = 'running', attempts = attempts + 1, token = gen_random_uuid(),
    lease_until = now() + make_interval(secs => :lease_seconds::double precision)
FROM chosen WHERE jobs.job_id = chosen.job_id
RETURNING jobs.job_id, kind, lane::text AS lane, jobs.serial_key, dedup_key, payload, lookback_seconds, attempts,
    token, queued_at;

-- name: extend_leases(job_ids, tokens, lease_seconds)
-- The heartbeat of running jobs; a job that was rescued meanwhile does not match its token and is left alone.
UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_seconds::double precision)
FROM unnest(:job_ids::bigint[], :tokens::uuid[]) AS held (job_id, token)
WHERE jobs.job_id = held.job_id AND jobs.token = held.token
RETURNING jobs.job_id;

-- name: complete(job_id, token, outcome)^
-- Fenced: no row comes back where the lease was lost, and the caller rolls everything back.
WITH settled AS (
    UPDATE jobs SET state = 'done', settled_at = now(), outcome = :outcome, token = NULL, lease_until = NULL
    WHERE job_id = :job_id AND token = :token RETURNING job_id, serial_key
), freed AS (
    UPDATE turns SET job_id = NULL FROM settled
    WHERE turns.athlete_id = settled.serial_key AND turns.job_id = settled.job_id
)
SELECT job_id FROM settled;

-- name: bury(job_id, token, outcome)^
WITH settled AS (
    UPDATE jobs SET state = 'dead', settled_at = now(), outcome = :outcome, token = NULL, lease_until = NULL
    WHERE job_id = :job_id AND token = :token RETURNING job_id, serial_key
), freed AS (
    UPDATE turns SET job_id = NULL FROM settled
    WHERE turns.athlete_id = settled.serial_key AND turns.job_id = settled.job_id
)
SELECT job_id FROM settled;

-- name: requeue(job_id, token, run_at, outcome, give_back)^
-- Back to queued, where a follow-up may be queued already: the row leaves and comes back through the same
-- conflict clause as any other, so it merges into the follow-up or keeps its own id.
WITH gone AS (
    DELETE FROM jobs WHERE job_id = :job_id AND token = :token RETURNING *
), freed AS (
    UPDATE turns SET job_id = NULL FROM gone
    WHERE turns.athlete_id = gone.serial_key AND turns.job_id = gone.job_id
)
INSERT INTO jobs AS j (job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, run_at,
    fair_at, attempts, outcome, queued_at)
SELECT job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting,
    :run_at::timestamptz, fair_at, attempts - CASE WHEN :give_back::boolean THEN 1 ELSE 0 END, :outcome::text, queued_at
FROM gone
ON CONFLICT (dedup_key) WHERE state = 'queued' DO UPDATE SET
    lane = LEAST(j.lane, excluded.lane),
    run_at = LEAST(j.run_at, excluded.run_at),
    fair_at = LEAST(j.fair_at, excluded.fair_at),
    lookback_seconds = GREATEST(j.lookback_seconds, excluded.lookback_seconds),
    payload = excluded.payload || j.payload,
    while_resting = j.while_resting OR excluded.while_resting,
    attempts = GREATEST(j.attempts, excluded.attempts)
RETURNING j.job_id;

-- name: rescue_expired(max_attempts)
-- Jobs whose worker died: back to queued, merged as in requeue. Rows another rescuer holds are skipped; of twins
-- one is taken now and the next at the next sweep. Follow-ups are locked in the order of enqueue, which is that of
-- code points: no deadlock with a batch that merges into the same.
WITH expired AS MATERIALIZED (
    SELECT job_id, dedup_key FROM jobs
    WHERE state = 'running' AND lease_until < now()
        AND attempts < GREATEST(:max_attempts::integer, (payload->>'most_attempts')::integer)
    ORDER BY job_id LIMIT 500 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM jobs WHERE job_id IN (SELECT DISTINCT ON (dedup_key) job_id FROM expired ORDER BY dedup_key, job_id)
    RETURNING *
), freed AS (
    UPDATE turns SET job_id = NULL FROM gone
    WHERE turns.athlete_id = gone.serial_key AND turns.job_id = gone.job_id
)
INSERT INTO jobs AS j (job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, run_at,
    fair_at, attempts, outcome, queued_at)
SELECT job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, now(),
    fair_at, attempts, 'its worker died', queued_at
FROM gone ORDER BY dedup_key COLLATE "C"
ON CONFLICT (dedup_key) WHERE state = 'queued' DO UPDATE SET
    lane = LEAST(j.lane, excluded.lane),
    run_at = LEAST(j.run_at, excluded.run_at),
    fair_at = LEAST(j.fair_at, excluded.fair_at),
    lookback_seconds = GREATEST(j.lookback_seconds, excluded.lookback_seconds),
    payload = excluded.payload || j.payload,
    while_resting = j.while_resting OR excluded.while_resting,
    attempts = GREATEST(j.attempts, excluded.attempts)
RETURNING j.job_id;

-- name: bury_expired(max_attempts)
-- A job that took its worker down too often.
WITH expired AS MATERIALIZED (
    SELECT job_id FROM jobs
    WHERE state = 'running' AND lease_until < now()
        AND attempts >= GREATEST(:max_attempts::integer, (payload->>'most_attempts')::integer)
    ORDER BY job_id LIMIT 500 FOR UPDATE SKIP LOCKED
), settled AS (
    UPDATE jobs SET state = 'dead', settled_at = now(), token = NULL, lease_until = NULL,
        outcome = 'its worker died at every attempt'
    WHERE job_id IN (SELECT job_id FROM expired) RETURNING job_id, serial_key
), freed AS (
    UPDATE turns SET job_id = NULL FROM settled
    WHERE turns.athlete_id = settled.serial_key AND turns.job_id = settled.job_id
)
SELECT job_id FROM settled;

-- name: revive(job_id)^
-- A dead job queued again by hand; merged where its twin is queued already.
WITH gone AS (
    DELETE FROM jobs WHERE job_id = :job_id AND state = 'dead' RETURNING *
)
INSERT INTO jobs AS j (job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, run_at,
    fair_at, queued_at)
SELECT job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, now(), now(), queued_at
FROM gone
ON CONFLICT (dedup_key) WHERE state = 'queued' DO UPDATE SET
    lane = LEAST(j.lane, excluded.lane),
    run_at = LEAST(j.run_at, excluded.run_at),
    fair_at = LEAST(j.fair_at, excluded.fair_at),
    lookback_seconds = GREATEST(j.lookback_seconds, excluded.lookback_seconds),
    payload = excluded.payload || j.payload,
    while_resting = j.while_resting OR excluded.while_resting,
    attempts = 0
RETURNING j.job_id;

-- name: count_by_state()
SELECT kind, state, count(*)::bigint AS jobs, min(run_at) AS oldest_run_at FROM jobs
WHERE state IN ('queued', 'running', 'dead') GROUP BY kind, state ORDER BY kind, state;

-- name: census()
-- Reads only, each state by the index that it has. What waits for an athlete to connect again is not late.
SELECT j.lane::text AS lane, j.kind, 'queued' AS state, count(*)::bigint AS jobs,
    min(j.run_at) FILTER (WHERE j.run_at <= now() AND (j.while_resting OR t.resting IS NOT TRUE)) AS oldest_due_at
FROM jobs j LEFT JOIN turns t ON t.athlete_id = j.serial_key
WHERE j.state = 'queued' GROUP BY j.lane, j.kind
UNION ALL
SELECT lane::text, kind, 'running', count(*)::bigint, NULL FROM jobs WHERE state = 'running' GROUP BY lane, kind
UNION ALL
SELECT lane::text, kind, 'dead', count(*)::bigint, NULL FROM jobs WHERE state = 'dead' GROUP BY lane, kind;

-- name: list_dead(most)
SELECT job_id, kind, serial_key, payload, attempts, outcome, settled_at FROM jobs
WHERE state = 'dead' ORDER BY settled_at DESC LIMIT :most::integer;

-- name: prune(before, most)$
-- In small batches, so that no sweep holds many rows or bloats the log.
WITH old AS (
    SELECT job_id FROM jobs WHERE state = 'done' AND settled_at < :before::timestamptz LIMIT :most::integer
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: forget_athlete(athlete_id)$
-- Those without a serial key tell in their payload about whom they are. What runs of them loses its lease: it settles
-- nothing and rolls back. What settles while we wait for its row may have queued a follow-up that our snapshot lacks,
-- so this returns how many the snapshot had: once it had none, nothing runs that could queue another. Each state by the
-- index that it has, but deleted by id: whatever has become of a row meanwhile, it goes.
WITH his AS MATERIALIZED (
    SELECT job_id FROM jobs WHERE state = 'queued' AND serial_key = :athlete_id
    UNION ALL
    SELECT job_id FROM jobs WHERE state = 'running' AND serial_key = :athlete_id
    UNION ALL
    SELECT job_id FROM jobs WHERE state IN ('done', 'dead') AND serial_key = :athlete_id
    UNION ALL
    SELECT job_id FROM jobs WHERE serial_key IS NULL AND payload->>'athlete_id' = (:athlete_id::bigint)::text
), gone AS (
    DELETE FROM jobs WHERE job_id = ANY(ARRAY(SELECT job_id FROM his))
)
SELECT count(*) FROM his;

-- name: hold_strays(before, most)
-- Queued for somebody who has no turn, and so is gone: such a job is never claimed, yet names him and looks late. By
-- the index on queued jobs; rows that another sweeper or an asker holds are skipped.
SELECT j.job_id FROM jobs j
WHERE j.state = 'queued' AND j.serial_key IS NOT NULL AND j.queued_at < :before::timestamptz
    AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.athlete_id = j.serial_key)
LIMIT :most::integer FOR UPDATE OF j SKIP LOCKED;

-- name: drop_strays(job_ids)!
-- In the transaction of `hold_strays`. Asked once more with a snapshot from after the lock: who has connected again
-- in between has merged his first job into the stray one.
DELETE FROM jobs j WHERE j.job_id = ANY(:job_ids::bigint[]) AND j.state = 'queued'
    AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.athlete_id = j.serial_key);

-- name: vanish(job_id, token)^
-- Fenced as complete is; not even that it ran is kept.
WITH gone AS (
    DELETE FROM jobs WHERE job_id = :job_id AND token = :token RETURNING job_id, serial_key
), freed AS (
    UPDATE turns SET job_id = NULL FROM gone WHERE turns.athlete_id = gone.serial_key AND turns.job_id = gone.job_id
)
SELECT job_id FROM gone;

-- name: backlog()
-- What waits for Strava, by lane and kind.
SELECT j.lane::text AS lane, j.kind, count(*)::bigint AS jobs, min(j.run_at) AS oldest_run_at
FROM jobs j LEFT JOIN turns t ON t.athlete_id = j.serial_key
WHERE j.state = 'queued' AND j.asks_strava AND (j.while_resting OR t.resting IS NOT TRUE)
GROUP BY j.lane, j.kind ORDER BY j.lane, j.kind;

-- name: read(job_id)^
-- Reads only.
SELECT job_id, state, run_at, attempts, outcome FROM jobs WHERE job_id = :job_id;

-- name: list_open(athlete_id, dedup_keys)
-- Of these jobs of one athlete, those not settled. Reads only, each state by the index that it has.
SELECT dedup_key, state, run_at, outcome FROM jobs WHERE state = 'queued' AND dedup_key = ANY(:dedup_keys::text[])
UNION ALL
SELECT dedup_key, state, run_at, outcome FROM jobs
WHERE state = 'running' AND serial_key = :athlete_id AND dedup_key = ANY(:dedup_keys::text[]);

-- name: count_athletes_waiting(kind, due_by)$
-- One snapshot, each state by the index that it has, as in summed_up. NULL: whenever they are due.
SELECT count(DISTINCT waiting.serial_key)::bigint FROM (
    SELECT serial_key FROM jobs
    WHERE state = 'queued' AND kind = :kind AND run_at <= coalesce(:due_by::timestamptz, 'infinity')
    UNION ALL
    SELECT serial_key FROM jobs WHERE state = 'running' AND kind = :kind
) AS waiting;

-- name: summed_up()
-- One snapshot, each state by the index that it has: asked together, the planner reads every job that was ever done.
SELECT kind, 'queued' AS state, count(*)::bigint AS jobs, count(*) FILTER (WHERE attempts > 0)::bigint AS failing,
    min(run_at) AS oldest_at
FROM jobs WHERE state = 'queued' GROUP BY kind
UNION ALL
SELECT kind, 'running', count(*)::bigint, count(*) FILTER (WHERE attempts > 1)::bigint, min(run_at)
FROM jobs WHERE state = 'running' GROUP BY kind
UNION ALL
SELECT kind, 'dead', count(*)::bigint, 0, min(settled_at) FROM jobs WHERE state = 'dead' GROUP BY kind
ORDER BY kind, state;

-- name: page_dead(kind, after_at, after_id, most)
-- The newest first. Reads only; what is retried or dropped between two pages is missing from the second, no more.
SELECT job_id, kind, lane::text AS lane, state, serial_key, payload, attempts, run_at, settled_at, outcome
FROM jobs WHERE state = 'dead' AND (:kind::text IS NULL OR kind = :kind)
    AND (:after_id::bigint IS NULL OR (settled_at, job_id) < (:after_at::timestamptz, :after_id))
ORDER BY settled_at DESC, job_id DESC LIMIT :most::integer;

-- name: page_queued(kind, after_lane, after_at, after_id, most)
-- In the order in which they are claimed. Reads only.
SELECT job_id, kind, lane::text AS lane, state, serial_key, payload, attempts, run_at, settled_at, outcome, fair_at
FROM jobs WHERE state = 'queued' AND (:kind::text IS NULL OR kind = :kind)
    AND (:after_id::bigint IS NULL OR (lane, fair_at, job_id) > (:after_lane::lane, :after_at::timestamptz, :after_id))
ORDER BY lane, fair_at, job_id LIMIT :most::integer;

-- name: page_running(kind, after_id, most)
-- As many as there are workers. Reads only.
SELECT job_id, kind, lane::text AS lane, state, serial_key, payload, attempts, run_at, settled_at, outcome
FROM jobs WHERE state = 'running' AND (:kind::text IS NULL OR kind = :kind)
    AND (:after_id::bigint IS NULL OR job_id > :after_id)
ORDER BY job_id LIMIT :most::integer;

-- name: count_dead(kind)$
-- Reads only.
SELECT count(*)::bigint FROM jobs WHERE state = 'dead' AND kind = :kind;

-- name: revive_some(kind, most)$
-- As revive, of many: of twins one now and the next at the next call, since one statement may not touch a follow-up
-- twice. Rows that somebody else revives or drops are skipped; follow-ups are locked in the order of enqueue.
WITH held AS MATERIALIZED (
    SELECT job_id, dedup_key FROM jobs WHERE state = 'dead' AND kind = :kind
    ORDER BY settled_at DESC, job_id DESC LIMIT :most::integer FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM jobs WHERE job_id IN (SELECT DISTINCT ON (dedup_key) job_id FROM held ORDER BY dedup_key, job_id)
    RETURNING *
), queued AS (
    INSERT INTO jobs AS j (job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting,
        run_at, fair_at, queued_at)
    SELECT job_id, kind, lane, serial_key, dedup_key, payload, lookback_seconds, asks_strava, while_resting, now(), now(),
        queued_at
    FROM gone ORDER BY dedup_key COLLATE "C"
    ON CONFLICT (dedup_key) WHERE state = 'queued' DO UPDATE SET
        lane = LEAST(j.lane, excluded.lane),
        run_at = LEAST(j.run_at, excluded.run_at),
        fair_at = LEAST(j.fair_at, excluded.fair_at),
        lookback_seconds = GREATEST(j.lookback_seconds, excluded.lookback_seconds),
        payload = excluded.payload || j.payload,
        while_resting = j.while_resting OR excluded.while_resting,
        attempts = 0
    RETURNING 1
)
SELECT count(*) FROM queued;

-- name: drop_dead(job_id)^
-- One statement: of two that drop or retry it at once, one finds it.
DELETE FROM jobs WHERE job_id = :job_id AND state = 'dead' RETURNING kind, serial_key, attempts, outcome;

-- name: why_dead(most)
-- What the newest dead died of. Reads only.
SELECT kind, outcome, count(*)::bigint AS jobs, max(settled_at) AS newest_at, max(serial_key) AS athlete_id
FROM (SELECT kind, outcome, settled_at, serial_key FROM jobs WHERE state = 'dead'
    ORDER BY settled_at DESC, job_id DESC LIMIT :most::integer) AS newest
GROUP BY kind, outcome;

-- name: why_failing(most)
-- What keeps jobs coming back, of those that come back first. Reads only.
SELECT kind, outcome, count(*)::bigint AS jobs, min(run_at) AS next_at, max(serial_key) AS athlete_id
FROM (SELECT kind, outcome, run_at, serial_key FROM jobs WHERE state = 'queued' AND attempts > 0
    ORDER BY run_at LIMIT :most::integer) AS next
WHERE outcome IS NOT NULL GROUP BY kind, outcome;

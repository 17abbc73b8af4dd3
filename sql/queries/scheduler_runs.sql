-- name: request(job, trigger)^
-- By hand: a run that waits for a daemon, or the open one that is in its way. The conflict clause changes nothing,
-- but locks and returns that row, so there is always an answer.
INSERT INTO scheduler_runs AS r (job, trigger, due_at) VALUES (:job, :trigger, now())
ON CONFLICT (job) WHERE finished_at IS NULL DO UPDATE SET job = excluded.job
RETURNING r.run_id, r.state, r.due_at, r.started_at, (xmax = 0) AS is_new;

-- name: take_waiting(jobs, lease_seconds)^
-- Requested, put down, or its daemon died. SKIP LOCKED and the check of the state at the locked version: of many
-- takers one gets it. Only jobs that this version knows.
UPDATE scheduler_runs SET state = 'running', attempts = attempts + 1, token = gen_random_uuid(),
    lease_until = now() + make_interval(secs => :lease_seconds::double precision),
    started_at = coalesce(started_at, now())
WHERE run_id = (
    SELECT run_id FROM scheduler_runs
    WHERE finished_at IS NULL AND job = ANY(:jobs::text[])
      AND ((state = 'waiting' AND run_at <= now()) OR (state = 'running' AND lease_until < now()))
    ORDER BY run_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING run_id, job, trigger, due_at, attempts, token;

-- name: extend_leases(run_ids, tokens, lease_seconds)
-- The heartbeat; a run that was taken over meanwhile does not match its token and is left alone.
UPDATE scheduler_runs SET lease_until = now() + make_interval(secs => :lease_seconds::double precision)
FROM unnest(:run_ids::bigint[], :tokens::uuid[]) AS held (run_id, token)
WHERE scheduler_runs.run_id = held.run_id AND scheduler_runs.token = held.token
RETURNING scheduler_runs.run_id;

-- name: last_ended()
-- The newest run of each job that has ended. Reads only, a look into the index for each.
SELECT t.job, r.state, r.started_at, r.finished_at
FROM scheduler_timers t CROSS JOIN LATERAL (
    SELECT state, started_at, finished_at FROM scheduler_runs
    WHERE job = t.job AND finished_at IS NOT NULL ORDER BY run_id DESC LIMIT 1
) r ORDER BY t.job;

-- name: progress(run_id, token)^
-- How far a run has come, for whoever holds it.
SELECT cursor_athlete_id, considered_all, considered, skipped,
    (SELECT count(*) FROM sync_asks k WHERE k.run_id = r.run_id AND k.settled_at IS NULL AND k.asked_at IS NULL)::integer
        AS decided,
    (SELECT count(*) FROM sync_asks k WHERE k.run_id = r.run_id AND k.settled_at IS NULL AND k.asked_at IS NOT NULL)::integer
        AS asked
FROM scheduler_runs r WHERE run_id = :run_id AND token = :token;

-- name: advance(run_id, token, cursor_athlete_id, considered_all, considered, skipped)^
-- Fenced. What comes forward is not what kills daemons: attempts begin anew.
UPDATE scheduler_runs SET cursor_athlete_id = :cursor_athlete_id, considered_all = :considered_all,
    considered = :considered, skipped = :skipped, attempts = 1
WHERE run_id = :run_id AND token = :token RETURNING run_id;

-- name: decide(run_id, athlete_ids, whys, reasons, lookbacks, urgencies)!
-- In the transaction of `advance`. Athletes are held against erasure, or passed over where it is under way.
WITH held AS MATERIALIZED (
    SELECT athlete_id FROM athletes WHERE athlete_id = ANY(:athlete_ids::bigint[]) FOR KEY SHARE SKIP LOCKED
)
INSERT INTO sync_asks (run_id, athlete_id, why, reason, lookback_seconds, urgency)
SELECT :run_id::bigint, athlete_id, why, reason, lookback_seconds, urgency
FROM unnest(:athlete_ids::bigint[], :whys::text[], :reasons::text[], :lookbacks::bigint[], :urgencies::double precision[])
    AS decided (athlete_id, why, reason, lookback_seconds, urgency) JOIN held USING (athlete_id)
ON CONFLICT (run_id, athlete_id) DO NOTHING;

-- name: hold_most_urgent(run_id, token, most)
-- The next asks to queue jobs for. Athletes are held until the jobs stand, so that none is queued for one who is
-- being erased; nothing here waits for a lock, so nothing can deadlock with an erasure or a look that settles.
SELECT k.athlete_id, k.reason, k.lookback_seconds, k.urgency
FROM scheduler_runs r JOIN sync_asks k USING (run_id) JOIN athletes a USING (athlete_id)
WHERE r.run_id = :run_id AND r.token = :token AND k.settled_at IS NULL AND k.asked_at IS NULL
ORDER BY k.urgency DESC, k.athlete_id LIMIT :most::integer
FOR UPDATE OF k SKIP LOCKED FOR KEY SHARE OF a SKIP LOCKED;

-- name: pass_over(run_id, token, looks, less_urgent, urgent)$
-- Fenced by the run's row, which is held. What there are no calls for is not queued, and counted as skipped: the
-- next occasion decides anew. Rows that a look settles at this moment are its own.
WITH held AS MATERIALIZED (
    SELECT run_id FROM scheduler_runs WHERE run_id = :run_id AND token = :token FOR NO KEY UPDATE
), ranked AS MATERIALIZED (
    SELECT k.run_id, k.athlete_id, k.urgency,
        row_number() OVER (ORDER BY k.urgency DESC, k.athlete_id) AS place,
        row_number() OVER (PARTITION BY k.urgency < :urgent::double precision ORDER BY k.urgency DESC, k.athlete_id)
            AS place_among_like
    FROM held JOIN sync_asks k USING (run_id) WHERE k.settled_at IS NULL AND k.asked_at IS NULL
), over AS MATERIALIZED (
    SELECT k.run_id, k.athlete_id FROM ranked r JOIN sync_asks k USING (run_id, athlete_id)
    WHERE k.settled_at IS NULL AND (r.place > :looks::integer
        OR (r.urgency < :urgent::double precision AND r.place_among_like > :less_urgent::integer))
    FOR UPDATE OF k SKIP LOCKED
), gone AS (
    DELETE FROM sync_asks k USING over WHERE k.run_id = over.run_id AND k.athlete_id = over.athlete_id RETURNING 1
), counted AS (
    UPDATE scheduler_runs r SET skipped = r.skipped || jsonb_build_object('unaffordable',
        coalesce((r.skipped ->> 'unaffordable')::integer, 0) + (SELECT count(*) FROM gone))
    FROM held WHERE r.run_id = held.run_id AND EXISTS (SELECT 1 FROM gone)
)
SELECT count(*) FROM gone;

-- name: mark_asked(run_id, athlete_ids, dedup_keys)!
-- In the transaction of `hold_most_urgent`, which holds the rows.
UPDATE sync_asks k SET asked_at = now(), dedup_key = queued.dedup_key
FROM unnest(:athlete_ids::bigint[], :dedup_keys::text[]) AS queued (athlete_id, dedup_key)
WHERE k.run_id = :run_id AND k.athlete_id = queued.athlete_id;

-- name: settle_asks(athlete_id, reached_to, slack_seconds, outcome, failure, calls, new_activities, edited, deleted, missed_webhooks)!
-- In the transaction that completes the look. Asks not queued yet are covered by it as well; what reaches back to
-- 1970 covers everything. Rows are locked in the order of runs, as wherever several asks of one athlete are.
WITH covered AS MATERIALIZED (
    SELECT run_id, asked_at FROM sync_asks
    WHERE athlete_id = :athlete_id AND settled_at IS NULL
      AND LEAST(lookback_seconds, extract(epoch FROM now()))
        <= extract(epoch FROM now() - :reached_to::timestamptz) + :slack_seconds::double precision
    ORDER BY run_id FOR UPDATE
), ranked AS (
    SELECT run_id, row_number() OVER (ORDER BY asked_at NULLS LAST, run_id) = 1 AS is_oldest FROM covered
)
UPDATE sync_asks k SET settled_at = now(), failure = :failure,
    outcome = CASE WHEN is_oldest OR :failure::text IS NOT NULL THEN :outcome ELSE 'shared' END,
    calls = CASE WHEN is_oldest THEN :calls::integer ELSE 0 END,
    new_activities = CASE WHEN is_oldest THEN :new_activities::integer ELSE 0 END,
    edited = CASE WHEN is_oldest THEN :edited::integer ELSE 0 END,
    deleted = CASE WHEN is_oldest THEN :deleted::integer ELSE 0 END,
    missed_webhooks = CASE WHEN is_oldest THEN :missed_webhooks::integer ELSE 0 END
FROM ranked WHERE k.run_id = ranked.run_id AND k.athlete_id = :athlete_id;

-- name: fail_asks(athlete_id, failure)!
-- Those that were queued; what is only decided still gets its own try. Locked in the order of runs.
WITH open AS MATERIALIZED (
    SELECT run_id FROM sync_asks
    WHERE athlete_id = :athlete_id AND settled_at IS NULL AND asked_at IS NOT NULL ORDER BY run_id FOR UPDATE
)
UPDATE sync_asks k SET settled_at = now(), outcome = 'failed', failure = :failure
FROM open WHERE k.run_id = open.run_id AND k.athlete_id = :athlete_id;

-- name: settle_stragglers(run_id, most_attempts)$
-- One athlete must not hold up a run: asks whose look will not come soon. Its job is gone (a person buried it, or it
-- was forgotten), keeps failing (it goes on by itself), or waits for a reconnection. A job that ended without
-- settling its ask was carried out all the same. Rows that a look settles at this moment are passed over.
WITH open AS MATERIALIZED (
    SELECT athlete_id, asked_at, dedup_key FROM sync_asks
    WHERE run_id = :run_id AND settled_at IS NULL AND asked_at IS NOT NULL FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT o.athlete_id,
        CASE
            WHEN live.state = 'queued' AND (a.state <> 'active' OR t.resting IS NOT FALSE)
                THEN 'the athlete needs to connect again'
            WHEN live.state = 'queued' AND live.attempts >= :most_attempts::integer
                THEN coalesce(live.outcome, 'it keeps failing')
            WHEN live.state IS NULL AND ended.state = 'dead' THEN coalesce(ended.outcome, 'its job died')
            WHEN live.state IS NULL AND ended.state IS NULL THEN 'its job is gone'
        END AS failure,
        live.state IS NULL AND ended.state = 'done' AS is_done
    FROM open o JOIN athletes a USING (athlete_id) LEFT JOIN turns t USING (athlete_id)
    LEFT JOIN LATERAL (
        -- Two looks by one index each: in one, the planner reads the whole queue for every ask.
        SELECT j.state, j.attempts, j.outcome FROM jobs j
        WHERE j.state = 'running' AND j.serial_key = o.athlete_id AND j.dedup_key = o.dedup_key
        UNION ALL
        SELECT j.state, j.attempts, j.outcome FROM jobs j WHERE j.state = 'queued' AND j.dedup_key = o.dedup_key
        LIMIT 1
    ) live ON true
    LEFT JOIN LATERAL (
        SELECT j.state, j.outcome FROM jobs j
        WHERE live.state IS NULL AND j.state IN ('done', 'dead') AND j.settled_at >= o.asked_at AND j.dedup_key = o.dedup_key
        ORDER BY j.settled_at DESC LIMIT 1
    ) ended ON true
), settled AS (
    UPDATE sync_asks k SET settled_at = now(), failure = judged.failure,
        outcome = CASE WHEN judged.failure IS NULL THEN 'synced' ELSE 'failed' END
    FROM judged
    WHERE k.run_id = :run_id AND k.athlete_id = judged.athlete_id AND (judged.failure IS NOT NULL OR judged.is_done)
    RETURNING 1
)
SELECT count(*) FROM settled;

-- name: finish(run_id, token, state, result, error)^
-- Fenced; the figures are sums over its asks. What a failed run had decided and not queued stays undone. How far it
-- had come names an athlete, and is of no use any more.
UPDATE scheduler_runs r SET state = :state, finished_at = now(), token = NULL, lease_until = NULL, cursor_athlete_id = 0,
    result = :result, error = :error,
    synced = f.synced, failed = f.failed, calls = f.calls, new_activities = f.new_activities, edited = f.edited,
    deleted = f.deleted, missed_webhooks = f.missed_webhooks
FROM (
    SELECT count(*) FILTER (WHERE outcome IN ('synced', 'shared'))::integer AS synced,
        count(*) FILTER (WHERE outcome = 'failed')::integer AS failed,
        coalesce(sum(calls), 0)::integer AS calls, coalesce(sum(new_activities), 0)::integer AS new_activities,
        coalesce(sum(edited), 0)::integer AS edited, coalesce(sum(deleted), 0)::integer AS deleted,
        coalesce(sum(missed_webhooks), 0)::integer AS missed_webhooks
    FROM sync_asks WHERE run_id = :run_id
) f
WHERE r.run_id = :run_id AND r.token = :token
RETURNING r.considered, r.skipped, r.synced, r.failed, r.calls, r.new_activities, r.edited, r.deleted, r.missed_webhooks;

-- name: forget_athlete(athlete_id)!
-- With his erasure: a run that had come just as far as him has come as far as whoever is before him.
UPDATE scheduler_runs SET cursor_athlete_id = cursor_athlete_id - 1 WHERE cursor_athlete_id = :athlete_id;

-- name: put_down(run_id, token, wait_seconds, error, give_back)^
-- Fenced: back to waiting, where the next daemon takes it up at its cursor. By the database's clock, as leases are.
UPDATE scheduler_runs SET state = 'waiting', token = NULL, lease_until = NULL,
    run_at = now() + make_interval(secs => :wait_seconds::double precision),
    error = :error, attempts = attempts - CASE WHEN :give_back::boolean THEN 1 ELSE 0 END
WHERE run_id = :run_id AND token = :token RETURNING run_id;

-- name: list_newest(job, most, before)
-- Figures of a run that goes on are summed as they stand.
SELECT r.run_id, r.job, r.trigger, r.state, r.due_at, r.started_at, r.finished_at, r.considered, r.skipped,
    coalesce(f.open, 0) AS open, coalesce(f.synced, r.synced) AS synced, coalesce(f.failed, r.failed) AS failed,
    coalesce(f.calls, r.calls) AS calls, coalesce(f.new_activities, r.new_activities) AS new_activities,
    coalesce(f.edited, r.edited) AS edited, coalesce(f.deleted, r.deleted) AS deleted,
    coalesce(f.missed_webhooks, r.missed_webhooks) AS missed_webhooks, r.result, r.error
FROM (
    SELECT * FROM scheduler_runs
    WHERE (:job::text IS NULL OR job = :job) AND (:before::bigint IS NULL OR run_id < :before)
    ORDER BY run_id DESC LIMIT :most::integer
) r LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.settled_at IS NULL)::integer AS open,
        count(*) FILTER (WHERE k.outcome IN ('synced', 'shared'))::integer AS synced,
        count(*) FILTER (WHERE k.outcome = 'failed')::integer AS failed,
        sum(k.calls)::integer AS calls, sum(k.new_activities)::integer AS new_activities,
        sum(k.edited)::integer AS edited, sum(k.deleted)::integer AS deleted,
        sum(k.missed_webhooks)::integer AS missed_webhooks
    FROM sync_asks k WHERE k.run_id = r.run_id
) f ON r.finished_at IS NULL
ORDER BY r.run_id DESC;

-- name: newest_of_each(jobs)
-- The newest run of each job by its index, figures as in list_newest. Reads only.
SELECT r.run_id, r.job, r.trigger, r.state, r.due_at, r.started_at, r.finished_at, r.considered,
    coalesce(f.open, 0) AS open, coalesce(f.synced, r.synced) AS synced, coalesce(f.failed, r.failed) AS failed,
    coalesce(f.calls, r.calls) AS calls, coalesce(f.new_activities, r.new_activities) AS new_activities, r.result, r.error
FROM unnest(:jobs::text[]) AS j (job) CROSS JOIN LATERAL (
    SELECT * FROM scheduler_runs n WHERE n.job = j.job ORDER BY n.run_id DESC LIMIT 1
) r LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.settled_at IS NULL)::integer AS open,
        count(*) FILTER (WHERE k.outcome IN ('synced', 'shared'))::integer AS synced,
        count(*) FILTER (WHERE k.outcome = 'failed')::integer AS failed,
        coalesce(sum(k.calls), 0)::integer AS calls, coalesce(sum(k.new_activities), 0)::integer AS new_activities
    FROM sync_asks k WHERE k.run_id = r.run_id
) f ON r.finished_at IS NULL;

-- name: why_failed(since, most)
-- Runs that failed lately, or wait to be tried again after an error. Reads only.
SELECT job, state, error, count(*)::bigint AS runs, max(finished_at) AS newest_at, min(run_at) AS next_at
FROM (SELECT * FROM scheduler_runs
    WHERE (finished_at >= :since::timestamptz AND state = 'failed') OR (finished_at IS NULL AND state = 'waiting')
    ORDER BY run_id DESC LIMIT :most::integer) AS newest
WHERE error IS NOT NULL GROUP BY job, state, error;

-- name: prune_asks(before, most)$
-- In small batches, before their runs, so that no run takes a hundred thousand rows with it at once.
WITH old AS (
    SELECT k.run_id, k.athlete_id FROM sync_asks k JOIN scheduler_runs r USING (run_id)
    WHERE r.finished_at < :before::timestamptz LIMIT :most::integer FOR UPDATE OF k SKIP LOCKED
), gone AS (
    DELETE FROM sync_asks k USING old WHERE k.run_id = old.run_id AND k.athlete_id = old.athlete_id RETURNING 1
)
SELECT count(*) FROM gone;

-- name: prune(before, most)$
-- The newest run of each job stays, however old: it says when the job last ran. Runs whose asks are not gone yet wait.
WITH old AS (
    SELECT run_id FROM scheduler_runs r
    WHERE finished_at < :before::timestamptz
      AND EXISTS (SELECT 1 FROM scheduler_runs newer WHERE newer.job = r.job AND newer.run_id > r.run_id)
      AND NOT EXISTS (SELECT 1 FROM sync_asks k WHERE k.run_id = r.run_id)
    LIMIT :most::integer FOR UPDATE OF r SKIP LOCKED
), gone AS (
    DELETE FROM scheduler_runs WHERE run_id IN (SELECT run_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

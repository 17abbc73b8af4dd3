-- name: plant(jobs, due_ats, starts_ats)!
-- Whoever comes first plans a timer; the others keep what it planned.
INSERT INTO scheduler_timers (job, due_at, starts_at)
SELECT * FROM unnest(:jobs::text[], :due_ats::timestamptz[], :starts_ats::timestamptz[])
ON CONFLICT (job) DO NOTHING;

-- name: replan(job, planned_at, due_at, starts_at)!
-- Only what still stands as it was read: another daemon may have planned or taken it meanwhile.
UPDATE scheduler_timers SET due_at = :due_at, starts_at = :starts_at WHERE job = :job AND due_at = :planned_at;

-- name: list_all()
SELECT t.job, t.due_at, t.starts_at, r.run_id AS open_run_id
FROM scheduler_timers t LEFT JOIN scheduler_runs r ON r.job = t.job AND r.finished_at IS NULL
ORDER BY t.job;

-- name: take(job, planned_at, run_due_at, next_due_at, next_starts_at, lease_seconds)^
-- One statement. The timer's row is locked and re-read: of many takers one still finds what was planned. The
-- unique index lets no run begin beside an open one, and only a run that begins moves the timer on, so a due time
-- that finds its job at work is not lost.
WITH timer AS MATERIALIZED (
    SELECT job FROM scheduler_timers WHERE job = :job AND due_at = :planned_at FOR UPDATE
), begun AS (
    INSERT INTO scheduler_runs (job, trigger, state, due_at, started_at, attempts, token, lease_until)
    SELECT job, 'timer', 'running', :run_due_at::timestamptz, now(), 1, gen_random_uuid(),
        now() + make_interval(secs => :lease_seconds::double precision)
    FROM timer
    ON CONFLICT (job) WHERE finished_at IS NULL DO NOTHING
    RETURNING run_id, job, trigger, due_at, attempts, token
), moved AS (
    UPDATE scheduler_timers t SET due_at = :next_due_at, starts_at = :next_starts_at
    FROM begun WHERE t.job = begun.job
)
SELECT run_id, job, trigger, due_at, attempts, token FROM begun;

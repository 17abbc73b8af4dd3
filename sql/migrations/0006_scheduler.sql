-- The scheduler: when each job is due, every run of one, and whom each run asked to be synced.

-- The first daemon plans every timer; `starts_at` is `due_at` plus the jitter that was drawn for it, here because
-- all daemons must agree on it.
CREATE TABLE scheduler_timers (
    job        text PRIMARY KEY,
    due_at     timestamptz NOT NULL,
    starts_at  timestamptz NOT NULL CHECK (starts_at >= due_at)
);

CREATE TABLE scheduler_runs (
    run_id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job                text NOT NULL,
    trigger            text NOT NULL CHECK (trigger IN ('timer', 'manual', 'api')),
    -- waiting: for a daemon, because it was asked for by hand, put down at a stop, or has failed and is tried again
    state              text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'finished', 'failed')),
    due_at             timestamptz NOT NULL,
    run_at             timestamptz NOT NULL DEFAULT now(),  -- a waiting run is not taken before
    started_at         timestamptz,
    finished_at        timestamptz,
    attempts           integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),  -- since it last came forward
    lease_until        timestamptz,
    token              uuid,  -- fences every step: whoever lost the lease changes nothing
    cursor_athlete_id  bigint NOT NULL DEFAULT 0,  -- everybody up to here was considered
    considered_all     boolean NOT NULL DEFAULT false,
    considered         integer NOT NULL DEFAULT 0,
    skipped            jsonb NOT NULL DEFAULT '{}',  -- how many for which reason
    -- Sums over its asks, written when it ends.
    synced             integer NOT NULL DEFAULT 0,
    failed             integer NOT NULL DEFAULT 0,
    calls              integer NOT NULL DEFAULT 0,
    new_activities     integer NOT NULL DEFAULT 0,
    edited             integer NOT NULL DEFAULT 0,
    deleted            integer NOT NULL DEFAULT 0,
    missed_webhooks    integer NOT NULL DEFAULT 0,
    result             text,  -- what it did, in words
    error              text,  -- what stopped it, or made it try again
    CHECK ((state = 'running') = (token IS NOT NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('finished', 'failed')) = (finished_at IS NOT NULL)),
    CHECK (state = 'waiting' OR started_at IS NOT NULL)
);
-- A job never overlaps itself: there is one run that has not ended, at most.
CREATE UNIQUE INDEX scheduler_runs_one_open ON scheduler_runs (job) WHERE finished_at IS NULL;
CREATE INDEX scheduler_runs_newest ON scheduler_runs (job, run_id DESC);
CREATE INDEX scheduler_runs_finished ON scheduler_runs (finished_at) WHERE finished_at IS NOT NULL;

-- Decided first, asked (its job queued) when there is room, settled when the look is done or will not come.
CREATE TABLE sync_asks (
    run_id            bigint NOT NULL REFERENCES scheduler_runs ON DELETE CASCADE,
    athlete_id        bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    why               text NOT NULL,
    reason            text NOT NULL,
    lookback_seconds  bigint NOT NULL CHECK (lookback_seconds > 0),
    urgency           double precision NOT NULL,
    decided_at        timestamptz NOT NULL DEFAULT now(),
    asked_at          timestamptz,
    dedup_key         text,  -- of the job that does it
    settled_at        timestamptz,
    -- shared: a look that counts for another ask has done this one as well
    outcome           text CHECK (outcome IN ('synced', 'shared', 'failed')),
    failure           text,
    calls             integer NOT NULL DEFAULT 0,
    new_activities    integer NOT NULL DEFAULT 0,
    edited            integer NOT NULL DEFAULT 0,
    deleted           integer NOT NULL DEFAULT 0,
    missed_webhooks   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, athlete_id),
    CHECK ((asked_at IS NULL) = (dedup_key IS NULL)),
    CHECK ((settled_at IS NULL) = (outcome IS NULL)),
    CHECK ((outcome = 'failed') = (failure IS NOT NULL))
);
CREATE INDEX sync_asks_by_athlete ON sync_asks (athlete_id, settled_at);
CREATE INDEX sync_asks_open ON sync_asks (run_id, urgency DESC) WHERE settled_at IS NULL;

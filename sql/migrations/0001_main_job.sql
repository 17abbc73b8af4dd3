-- The tables of the main job: an event comes in, and seconds later the activity's load stands here.
-- Instants are timestamptz, local times timestamp, units stand in the names. Ids of Strava's are bigint.

CREATE TYPE lane AS ENUM ('live', 'interactive', 'scheduled', 'backfill');  -- in order of precedence

-- ── athletes ────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE athletes (
    athlete_id          bigint PRIMARY KEY CHECK (athlete_id > 0),
    name                text,
    sex                 text CHECK (sex IN ('M', 'F')),
    scope               text[] NOT NULL DEFAULT '{}',
    state               text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'needs_authorization')),
    state_reason        text,
    state_since         timestamptz NOT NULL DEFAULT now(),
    -- Set only when Strava told us so and a refused refresh confirmed it: the one state that leads to erasure.
    deauthorized_at     timestamptz,
    fitness_dirty_from  date,
    created_at          timestamptz NOT NULL DEFAULT now()
);

-- One row per athlete says whose job is running: the claim locks and re-reads this row, never the jobs alone.
CREATE TABLE turns (
    athlete_id  bigint PRIMARY KEY REFERENCES athletes ON DELETE CASCADE,
    job_id      bigint,
    resting     boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- Ciphertexts carry the athlete's id and the field inside, so that rows cannot be swapped unnoticed.
CREATE TABLE credentials (
    athlete_id        bigint PRIMARY KEY REFERENCES athletes ON DELETE CASCADE,
    refresh_token     bytea NOT NULL,
    access_token      bytea,
    expires_at        timestamptz,
    version           bigint NOT NULL DEFAULT 1,
    refresh_began_at  timestamptz,  -- set while a refresh is under way: a crash in between can be told
    changed_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((access_token IS NULL) = (expires_at IS NULL))
);

-- Effective-dated; a value in force is the newest row at or before the day, manual rows first.
CREATE TABLE thresholds (
    threshold_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    athlete_id      bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    kind            text NOT NULL CHECK (kind IN ('ftp', 'lthr', 'max_hr', 'resting_hr')),
    value           double precision NOT NULL CHECK (value > 0 AND value < 'infinity'),
    method          text NOT NULL CHECK (method IN ('manual', 'imported')),
    effective_on    date NOT NULL,
    evidence        jsonb NOT NULL DEFAULT '{}',
    standard_error  double precision,
    created_at      timestamptz NOT NULL DEFAULT now(),
    withdrawn_at    timestamptz
);
CREATE UNIQUE INDEX thresholds_one_in_force ON thresholds (athlete_id, kind, method, effective_on)
    WHERE withdrawn_at IS NULL;

-- ── the app and its quota ───────────────────────────────────────────────────────────────────────────────
CREATE TABLE apps (
    client_id        bigint PRIMARY KEY,
    subscription_id  bigint CHECK (subscription_id > 0)
);

-- One row per app, all meters and windows as columns: a row per window let two askers in at once.
-- `core.quota` alone knows what the columns mean together; `version` makes each change conditional.
CREATE TABLE quota_ledgers (
    client_id              bigint PRIMARY KEY,
    version                bigint NOT NULL DEFAULT 0,
    offset_low_seconds     double precision,
    offset_high_seconds    double precision,
    offset_at              timestamptz,
    inactive_until         timestamptz,
    cold_at                timestamptz,
    overall_quarter_limit  integer NOT NULL,
    overall_day_limit      integer NOT NULL,
    read_quarter_limit     integer NOT NULL,
    read_day_limit         integer NOT NULL,
    limits_learned         boolean NOT NULL DEFAULT false,
    quarter_index          bigint NOT NULL DEFAULT 0,
    quarter_charged        integer NOT NULL DEFAULT 0,
    quarter_charged_ahead  integer NOT NULL DEFAULT 0,
    quarter_shown          integer NOT NULL DEFAULT 0,
    quarter_silent         integer NOT NULL DEFAULT 0,
    quarter_silent_seen    integer NOT NULL DEFAULT 0,
    quarter_overall_usage  integer NOT NULL DEFAULT 0,
    quarter_read_usage     integer NOT NULL DEFAULT 0,
    quarter_spent          boolean NOT NULL DEFAULT false,
    day_index              bigint NOT NULL DEFAULT 0,
    day_charged            integer NOT NULL DEFAULT 0,
    day_charged_ahead      integer NOT NULL DEFAULT 0,
    day_shown              integer NOT NULL DEFAULT 0,
    day_silent             integer NOT NULL DEFAULT 0,
    day_silent_seen        integer NOT NULL DEFAULT 0,
    day_overall_usage      integer NOT NULL DEFAULT 0,
    day_read_usage         integer NOT NULL DEFAULT 0,
    day_spent              boolean NOT NULL DEFAULT false
) WITH (fillfactor = 20);  -- rewritten at every permit: room for HOT updates on one page

-- ── inbox ───────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE events (
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dedup_key    bytea NOT NULL UNIQUE,
    received_at  timestamptz NOT NULL,
    body         bytea NOT NULL,
    signature    text CHECK (signature IN ('valid', 'invalid', 'absent')),
    folded_at    timestamptz,
    outcome      text,    -- 'folded', or why it was ignored
    owner_id     bigint,  -- known once it is folded: erasure finds the events of an athlete by it
    CHECK ((folded_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX events_unfolded ON events (event_id) WHERE folded_at IS NULL;
CREATE INDEX events_folded ON events (folded_at) WHERE folded_at IS NOT NULL;

-- How many calls webhooks have caused: per owner and hour; owner 0 counts all.
CREATE TABLE webhook_budgets (
    owner_id  bigint NOT NULL,
    hour_at   timestamptz NOT NULL,
    looks     integer NOT NULL,
    PRIMARY KEY (owner_id, hour_at)
);

-- ── jobs ────────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE jobs (
    job_id            bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind              text NOT NULL,
    lane              lane NOT NULL,
    state             text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead')),
    serial_key        bigint,  -- the athlete, for work on his data: one running job at a time
    dedup_key         text NOT NULL,
    payload           jsonb NOT NULL DEFAULT '{}',
    lookback_seconds  integer,
    asks_strava       boolean NOT NULL DEFAULT true,   -- waits while the ledger holds its lane shut
    while_resting     boolean NOT NULL DEFAULT false,  -- runs even for an athlete without authorization
    run_at            timestamptz NOT NULL,
    attempts          integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lease_until       timestamptz,
    token             uuid,  -- fences completion: a rescued job's first runner can settle nothing
    outcome           text,
    queued_at         timestamptz NOT NULL DEFAULT now(),
    settled_at        timestamptz,
    CHECK ((state = 'running') = (token IS NOT NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('done', 'dead')) = (settled_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX jobs_one_queued ON jobs (dedup_key) WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_one_running ON jobs (serial_key) WHERE state = 'running';
CREATE INDEX jobs_due ON jobs (lane, run_at, job_id) WHERE state = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_settled ON jobs (settled_at) WHERE state IN ('done', 'dead');

-- News, written in the transaction that made it. Readers follow (transaction, id), so that a slow commit is
-- never skipped; no NOTIFY, which would serialise every commit.
CREATE TABLE outbox (
    news_id      bigint GENERATED ALWAYS AS IDENTITY,
    transaction  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic        text NOT NULL,
    athlete_id   bigint,
    body         jsonb NOT NULL,
    written_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction, news_id)
);
CREATE INDEX outbox_written ON outbox (written_at);

-- ── activities ──────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE activities (
    activity_id         bigint PRIMARY KEY CHECK (activity_id > 0),
    athlete_id          bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    sport_type          text NOT NULL,
    name                text NOT NULL,
    start_at            timestamptz NOT NULL,
    local_start_at      timestamp NOT NULL,
    timezone            text,
    elapsed_seconds     integer NOT NULL CHECK (elapsed_seconds >= 0),
    moving_seconds      integer NOT NULL CHECK (moving_seconds >= 0),
    distance_m          double precision NOT NULL,
    elevation_gain_m    double precision,
    average_heart_rate  double precision,
    max_heart_rate      double precision,
    average_watts       double precision,
    perceived_exertion  double precision,
    has_heart_rate      boolean,
    device_watts        boolean,
    trainer             boolean NOT NULL,
    manual              boolean NOT NULL,
    private             boolean NOT NULL,
    visibility          text,
    upload_id           bigint,
    hidden_start        boolean NOT NULL,
    -- wanted: not there yet, a look is planned; kept: the statistics rest on them; none: there are none
    streams_state       text NOT NULL CHECK (streams_state IN ('wanted', 'kept', 'none')),
    first_seen_at       timestamptz NOT NULL,
    changed_at          timestamptz NOT NULL
);
CREATE INDEX activities_by_athlete ON activities (athlete_id, start_at DESC);

-- What is gone from Strava: that it was, and since when, and nothing of what it held.
CREATE TABLE tombstones (
    activity_id  bigint PRIMARY KEY,
    athlete_id   bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    buried_at    timestamptz NOT NULL,
    reason       text NOT NULL
);
CREATE INDEX tombstones_by_athlete ON tombstones (athlete_id);

-- The sufficient statistics: enough to compute every load again under any thresholds, without a stream.
-- A curve holds the best mean over each duration of the grid in `science.curves`, up to the activity's length.
CREATE TABLE activity_statistics (
    activity_id                          bigint PRIMARY KEY REFERENCES activities ON DELETE CASCADE,
    version                              integer NOT NULL,
    family                               text NOT NULL,
    elapsed_seconds                      integer NOT NULL,
    moving_seconds                       integer NOT NULL,
    counted_seconds                      integer NOT NULL,
    distance_m                           double precision NOT NULL,
    device_watts                         boolean,
    trainer                              boolean NOT NULL,
    perceived_exertion                   double precision,
    power_known_seconds                  integer NOT NULL,
    heart_rate_known_seconds             integer NOT NULL,
    speed_known_seconds                  integer NOT NULL,
    power_sum4                           double precision NOT NULL,
    power_count                          integer NOT NULL,
    speed_sum4                           double precision NOT NULL,
    speed_count                          integer NOT NULL,
    graded_minetti_sum4                  double precision NOT NULL,
    graded_minetti_count                 integer NOT NULL,
    graded_strava_sum4                   double precision NOT NULL,
    graded_strava_count                  integer NOT NULL,
    heart_rate_seconds                   integer[],
    power_curve                          real[],
    speed_curve                          real[],
    graded_minetti_curve                 real[],
    graded_strava_curve                  real[],
    heart_rate_curve                     real[],
    heart_rate_at_best_power             real[],
    heart_rate_at_best_graded_minetti    real[],
    heart_rate_at_best_graded_strava     real[],
    best_swim_seconds                    real[],
    quality                              jsonb NOT NULL,
    computed_at                          timestamptz NOT NULL
);

-- raw is a measurement and never touched by wellness; utl = raw × modifier.
CREATE TABLE activity_loads (
    activity_id  bigint PRIMARY KEY REFERENCES activities ON DELETE CASCADE,
    method       text NOT NULL,
    raw          double precision CHECK (raw >= 0 AND raw < 'infinity'),
    modifier     double precision NOT NULL DEFAULT 1 CHECK (modifier BETWEEN 0.9 AND 1.1),
    utl          double precision GENERATED ALWAYS AS (raw * modifier) STORED,
    inputs       jsonb NOT NULL,
    thresholds   jsonb NOT NULL,
    refused      jsonb NOT NULL,
    explanation  text NOT NULL,
    version      integer NOT NULL,
    computed_at  timestamptz NOT NULL,
    CHECK ((method = 'none') = (raw IS NULL))
);

-- Strava's own bytes, compressed, for `retention.streams_days` and no longer.
CREATE TABLE activity_streams (
    activity_id  bigint PRIMARY KEY REFERENCES activities ON DELETE CASCADE,
    body         bytea NOT NULL,
    stored_at    timestamptz NOT NULL
);
ALTER TABLE activity_streams ALTER COLUMN body SET STORAGE EXTERNAL;  -- already compressed
CREATE INDEX activity_streams_stored ON activity_streams (stored_at);

-- Lanes in the ledger, what past quarters needed, and athletes who share a lane fairly.

ALTER TABLE quota_ledgers
    ADD COLUMN quarter_by_lane       integer[] NOT NULL DEFAULT '{0,0,0,0}',
    ADD COLUMN quarter_silent_ahead  integer NOT NULL DEFAULT 0,
    ADD COLUMN day_by_lane           integer[] NOT NULL DEFAULT '{0,0,0,0}',
    ADD COLUMN day_silent_ahead      integer NOT NULL DEFAULT 0;

-- One row for each quarter in which we called Strava: what the lanes' reserves are learned from, and the charts' past.
CREATE TABLE quota_quarters (
    client_id    bigint NOT NULL,
    began_at     timestamptz NOT NULL,
    seconds      integer NOT NULL CHECK (seconds > 0),
    live         integer NOT NULL,
    interactive  integer NOT NULL,
    scheduled    integer NOT NULL,
    backfill     integer NOT NULL,
    others       integer NOT NULL,  -- what somebody else with the same app was seen to use
    PRIMARY KEY (client_id, began_at)
);

-- A job's place in its lane. An athlete's second job stands a minute behind his first, the third another minute, so
-- that three thousand of one athlete do not stand before three of another's.
ALTER TABLE jobs ADD COLUMN fair_at timestamptz;
UPDATE jobs SET fair_at = run_at;
ALTER TABLE jobs ALTER COLUMN fair_at SET NOT NULL;
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (lane, fair_at, job_id) WHERE state = 'queued';
CREATE INDEX jobs_of_athlete ON jobs (serial_key, lane, fair_at) WHERE state = 'queued';

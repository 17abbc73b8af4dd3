-- The fallback loop: when each athlete was looked at, how far back, and what of his history is still to come.

-- What the freshness policy knows of an athlete; one row each, made with the athlete.
CREATE TABLE sync_states (
    athlete_id  bigint PRIMARY KEY REFERENCES athletes ON DELETE CASCADE,
    synced_at   timestamptz,  -- when the last successful look at his list was asked for
    reached_to  timestamptz,  -- how far back that look reached
    active_at   timestamptz,  -- start of his newest activity
    audited_at  timestamptz,  -- the last look that reached 14 days back
    walked_at   timestamptz,  -- the last walk over the whole list
    event_at    timestamptz,  -- when his last webhook event was folded, to the minute
    missed_at   timestamptz,  -- when a look last found an activity that no event had announced
    newest_id   bigint,       -- the highest id that the first list showed: a higher one was uploaded since
    uploads     double precision[] NOT NULL DEFAULT '{}',  -- decayed counts per hour of the week, see core.habits
    uploads_at  timestamptz,
    CHECK (cardinality(uploads) IN (0, 168)),
    CHECK ((cardinality(uploads) = 0) = (uploads_at IS NULL))
) WITH (fillfactor = 70);  -- rewritten at every look
INSERT INTO sync_states (athlete_id, active_at)
SELECT a.athlete_id, (SELECT max(v.start_at) FROM activities v WHERE v.athlete_id = a.athlete_id) FROM athletes a;

-- One row per athlete whose history was asked for. First the list is read, newest first, down to target_from; then
-- the streams of what was listed are fetched, newest first. What is still to be fetched stands in `activities`
-- alone: `wanted`, and no statistics yet.
CREATE TABLE backfills (
    athlete_id   bigint PRIMARY KEY REFERENCES athletes ON DELETE CASCADE,
    state        text NOT NULL CHECK (state IN ('listing', 'fetching', 'finished', 'refused')),
    target_from  timestamptz NOT NULL,
    listed_to    timestamptz,  -- all that started later is listed; NULL: nothing is
    pages        integer NOT NULL DEFAULT 0,
    found        integer NOT NULL DEFAULT 0,
    failed       integer NOT NULL DEFAULT 0,  -- set aside: a job of its own goes on trying
    reason       text,         -- why it was refused
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    CHECK ((state IN ('finished', 'refused')) = (finished_at IS NOT NULL)),
    CHECK ((state = 'refused') = (reason IS NOT NULL))
);
CREATE INDEX backfills_unfinished ON backfills (athlete_id) WHERE finished_at IS NULL;

-- Stored, and absent from a list that should have shown it: asked about at most once a day, since absence is no
-- proof and an activity that is hidden from lists alone must not cost a call at every look.
CREATE TABLE suspicions (
    activity_id  bigint PRIMARY KEY REFERENCES activities ON DELETE CASCADE,
    asked_at     timestamptz NOT NULL
);

CREATE INDEX activities_wanted ON activities (athlete_id, start_at DESC) WHERE streams_state = 'wanted';
CREATE INDEX events_by_owner ON events (owner_id, event_id) WHERE owner_id IS NOT NULL;

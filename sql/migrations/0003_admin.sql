-- Who may use the admin API, whether our push subscription stands, and since when events could come in.

-- The tokens themselves are nowhere: 256 random bits need no slow hash, and no salt.
CREATE TABLE admin_tokens (
    token_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CHECK (name ~ '^[A-Za-z][A-Za-z0-9._-]{0,63}$'),
    sha256        bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    scopes        text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'operate']),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz CHECK (expires_at > created_at),
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
CREATE UNIQUE INDEX admin_tokens_one_in_force ON admin_tokens (name) WHERE revoked_at IS NULL;

-- What the last look at Strava found. `unknown` says that Strava could not be asked: what was known before stays.
ALTER TABLE apps
    ADD COLUMN subscription_state        text CHECK (subscription_state IN ('verified', 'gone', 'elsewhere', 'unknown')),
    ADD COLUMN subscription_detail       text,
    ADD COLUMN subscription_checked_at   timestamptz,
    ADD COLUMN subscription_verified_at  timestamptz,  -- last seen there, with our callback
    ADD COLUMN subscription_since        timestamptz,  -- seen at every look since, and always the same one
    ADD CONSTRAINT apps_subscription_checked
        CHECK ((subscription_state IS NULL) = (subscription_checked_at IS NULL)),
    ADD CONSTRAINT apps_subscription_since
        CHECK ((subscription_since IS NULL) = (subscription_verified_at IS NULL)),
    ADD CONSTRAINT apps_subscription_seen
        CHECK (subscription_state <> 'verified' OR (subscription_verified_at IS NOT NULL AND subscription_id IS NOT NULL));

-- One row per app, stamped by whichever daemon receives: a run of uptime is told across restarts and daemons.
CREATE TABLE receivers (
    client_id   bigint PRIMARY KEY REFERENCES apps ON DELETE CASCADE,
    up_since    timestamptz NOT NULL,
    stamped_at  timestamptz NOT NULL,
    down_at     timestamptz,  -- the last stamp of the run before this one
    CHECK (up_since <= stamped_at),
    CHECK (down_at <= up_since)
) WITH (fillfactor = 20);  -- rewritten every few seconds: room for HOT updates on one page

-- Silences are looked for by when events came; they lie in that order, near enough.
CREATE INDEX events_received ON events USING brin (received_at) WITH (autosummarize = on);

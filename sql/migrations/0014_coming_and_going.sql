-- How athletes come and go: connections that are begun in a browser, and goodbyes that Strava has still to be told.

-- One row per click on "Connect", for ten minutes. Hashes of random keys; nothing in it says who clicked.
CREATE TABLE connect_states (
    state_hash    bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    browser_hash  bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX connect_states_expired ON connect_states (expires_at);

-- Since when an athlete is being erased by his own or the operator's hand: nothing that meets him later can undo it.
ALTER TABLE athletes ADD COLUMN leaving_at timestamptz;
CREATE INDEX athletes_leaving ON athletes (leaving_at) WHERE leaving_at IS NOT NULL;

-- All that outlives an erasure, and only while Strava does not answer: the sealed token with which it is told, without
-- which it would stay in force there. The seal opens for this athlete alone, so his id has to stand beside it.
CREATE TABLE farewells (
    farewell_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    athlete_id     bigint NOT NULL UNIQUE,
    refresh_token  bytea NOT NULL,
    asked_at       timestamptz NOT NULL
);

-- Who is signed in on the pages, and connections that athletes have begun.

-- Only the SHA-256 of what the cookie holds. An athlete's session ends with him, an operator's with his token.
CREATE TABLE web_sessions (
    session_hash  bytea PRIMARY KEY CHECK (octet_length(session_hash) = 32),
    athlete_id    bigint REFERENCES athletes ON DELETE CASCADE,
    token_id      bigint REFERENCES admin_tokens ON DELETE CASCADE,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    CHECK (num_nonnulls(athlete_id, token_id) = 1)
);
CREATE INDEX web_sessions_expired ON web_sessions (expires_at);
CREATE INDEX web_sessions_of_athlete ON web_sessions (athlete_id) WHERE athlete_id IS NOT NULL;

-- name: open(session_hash, athlete_id, token_id, created_at, expires_at)!
-- A fresh random key: nothing to conflict with. The athlete or the token may be gone meanwhile; then it fails.
INSERT INTO web_sessions (session_hash, athlete_id, token_id, created_at, expires_at)
VALUES (:session_hash, :athlete_id, :token_id, :created_at::timestamptz, :expires_at::timestamptz);

-- name: find(session_hash, now)^
-- Reads only; a session whose token was revoked or has expired is none.
SELECT s.athlete_id, t.token_id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at
FROM web_sessions s LEFT JOIN admin_tokens t USING (token_id)
WHERE s.session_hash = :session_hash AND s.expires_at > :now::timestamptz
    AND (s.token_id IS NULL
        OR t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now::timestamptz));

-- name: close(session_hash)!
DELETE FROM web_sessions WHERE session_hash = :session_hash;

-- name: close_all_of(athlete_id)!
DELETE FROM web_sessions WHERE athlete_id = :athlete_id;

-- name: prune(now)!
DELETE FROM web_sessions WHERE expires_at <= :now::timestamptz;

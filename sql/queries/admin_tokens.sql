-- name: insert(name, sha256, scopes, created_at, expires_at)^
-- Two of one name at once: the unique index lets one of them in, the other gets no row.
INSERT INTO admin_tokens (name, sha256, scopes, created_at, expires_at)
VALUES (:name, :sha256, :scopes::text[], :created_at::timestamptz, :expires_at::timestamptz)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING token_id, name, scopes, created_at, expires_at, last_used_at, revoked_at;

-- name: find(sha256)^
-- One row by a unique index: what was committed before the statement began is what holds.
SELECT token_id, name, scopes, created_at, expires_at, last_used_at, revoked_at
FROM admin_tokens WHERE sha256 = :sha256;

-- name: mark_used(token_id, at)!
-- Forward only, so that daemons whose clocks differ do not undo each other.
UPDATE admin_tokens SET last_used_at = :at::timestamptz
WHERE token_id = :token_id AND (last_used_at IS NULL OR last_used_at < :at::timestamptz);

-- name: list_all()
-- One snapshot.
SELECT token_id, name, scopes, created_at, expires_at, last_used_at, revoked_at
FROM admin_tokens ORDER BY token_id;

-- name: revoke_name(name, at)^
-- Conditional on being in force: of two revocations one returns the row, the instant is that of the first.
UPDATE admin_tokens SET revoked_at = :at::timestamptz WHERE name = :name AND revoked_at IS NULL
RETURNING token_id, name, scopes, created_at, expires_at, last_used_at, revoked_at;

-- name: revoke_id(token_id, at)^
-- As revoke_name.
UPDATE admin_tokens SET revoked_at = :at::timestamptz WHERE token_id = :token_id AND revoked_at IS NULL
RETURNING token_id, name, scopes, created_at, expires_at, last_used_at, revoked_at;

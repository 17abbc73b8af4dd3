-- name: begin(state_hash, browser_hash, expires_at)!
-- A fresh random key: nothing to conflict with.
INSERT INTO connect_states (state_hash, browser_hash, expires_at)
VALUES (:state_hash, :browser_hash, :expires_at::timestamptz);

-- name: take(state_hash)^
-- Taken out as it is read: of two that come back with it, one gets it.
DELETE FROM connect_states WHERE state_hash = :state_hash RETURNING browser_hash, expires_at;

-- name: prune(now)!
-- What nobody came back with; whoever takes such a row at the same time has it, and finds that it is too old.
DELETE FROM connect_states WHERE expires_at <= :now::timestamptz;

-- name: read(athlete_id)^
SELECT refresh_token, access_token, expires_at, version, refresh_began_at FROM credentials
WHERE athlete_id = :athlete_id;

-- name: put(athlete_id, refresh_token, access_token, expires_at)!
-- An import or a reconnect replaces whatever was there. Its version comes from a sequence, which gives each number
-- once: neither over a replacement nor over an erasure does a refresh that is under way find its own again.
INSERT INTO credentials AS c (athlete_id, refresh_token, access_token, expires_at)
VALUES (:athlete_id, :refresh_token, :access_token, :expires_at)
ON CONFLICT (athlete_id) DO UPDATE SET refresh_token = excluded.refresh_token, access_token = excluded.access_token,
    expires_at = excluded.expires_at, version = nextval('credentials_versions'), refresh_began_at = NULL, changed_at = now();

-- name: lock_for_refresh(athlete_id)!
-- A session lock, on a connection of its own: held across the HTTP call, gone with the process.
-- The pair of keys keeps it apart from the migration lock; a hash collision only makes two athletes take turns.
SELECT pg_advisory_lock(1953459563, hashint8(:athlete_id::bigint));

-- name: begin_refresh(athlete_id, version)^
-- Remembered before the refresh token leaves the house, so that a crash in between can be told later.
UPDATE credentials SET refresh_began_at = now() WHERE athlete_id = :athlete_id AND version = :version
RETURNING refresh_began_at;

-- name: finish_refresh(athlete_id, version, refresh_token, access_token, expires_at)^
-- Only over the credentials that the refresh started from: a reconnect in between wins.
UPDATE credentials SET refresh_token = :refresh_token, access_token = :access_token, expires_at = :expires_at,
    version = nextval('credentials_versions'), refresh_began_at = NULL, changed_at = now()
WHERE athlete_id = :athlete_id AND version = :version
RETURNING version;

-- name: drop_refresh_mark(athlete_id, version)!
UPDATE credentials SET refresh_began_at = NULL WHERE athlete_id = :athlete_id AND version = :version;

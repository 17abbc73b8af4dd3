-- name: lock(athlete_id)!
-- Until the transaction ends: of an erased athlete there is no row to hold, and he may be connecting again. Whoever
-- waits for it must not hold the row of an athlete who is there: an admission takes this lock first.
SELECT pg_advisory_xact_lock(1953459564, hashint8(:athlete_id::bigint));

-- name: add(athlete_id, refresh_token, asked_at)$
-- In the transaction that erases, or that finds him erased; the token of an earlier goodbye that Strava never heard
-- is dead by now.
INSERT INTO farewells (athlete_id, refresh_token, asked_at) VALUES (:athlete_id, :refresh_token, :asked_at::timestamptz)
ON CONFLICT (athlete_id) DO UPDATE SET refresh_token = excluded.refresh_token, asked_at = excluded.asked_at
RETURNING farewell_id;

-- name: read(farewell_id)^
-- Reads only.
SELECT athlete_id, refresh_token FROM farewells WHERE farewell_id = :farewell_id;

-- name: forget(farewell_id, refresh_token)!
-- Once Strava knows; another token that came meanwhile stays.
DELETE FROM farewells WHERE farewell_id = :farewell_id AND refresh_token = :refresh_token;

-- name: take_back(athlete_id)!
-- He has connected again: there is nothing to tell any more. In the transaction that admits him, under
-- the lock.
DELETE FROM farewells WHERE athlete_id = :athlete_id;

-- name: prune(before)!
-- Not told in all that time: a token is not kept for ever.
DELETE FROM farewells WHERE asked_at < :before::timestamptz;

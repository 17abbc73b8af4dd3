-- name: next_id()$
-- A sequence gives each number once.
SELECT nextval(pg_get_serial_sequence('webhook_endpoints', 'endpoint_id'));

-- name: count()$
SELECT count(*)::bigint FROM webhook_endpoints;

-- name: insert(endpoint_id, origin, url, description, topics, secret)^
-- Under a number of its own: nothing to conflict with.
INSERT INTO webhook_endpoints (endpoint_id, origin, url, description, topics, secret)
VALUES (:endpoint_id, :origin, :url, :description, :topics::text[], :secret)
RETURNING *;

-- name: find(endpoint_id)^
-- Reads only.
SELECT * FROM webhook_endpoints WHERE endpoint_id = :endpoint_id;

-- name: hold(endpoint_id)^
-- Locked before it is changed, so that two operators change it one after the other.
SELECT * FROM webhook_endpoints WHERE endpoint_id = :endpoint_id FOR UPDATE;

-- name: list_all()
SELECT * FROM webhook_endpoints ORDER BY endpoint_id;

-- name: list_active()
-- Reads only: what is queued for one that is disabled meanwhile is dropped when its turn comes.
SELECT endpoint_id, topics, state_since FROM webhook_endpoints WHERE state = 'active' ORDER BY endpoint_id;

-- name: change(endpoint_id, origin, url, description, topics)!
-- Of a row that the caller holds.
UPDATE webhook_endpoints SET origin = :origin, url = :url, description = :description, topics = :topics::text[]
WHERE endpoint_id = :endpoint_id;

-- name: activate(endpoint_id)^
-- What happened while it was disabled is not sent: by the clock that stamps news. Once more changes nothing.
UPDATE webhook_endpoints SET state = 'active', state_reason = NULL, state_since = now(), failing_since = NULL
WHERE endpoint_id = :endpoint_id AND state <> 'active' RETURNING endpoint_id;

-- name: disable(endpoint_id, reason)^
-- The first reason stays.
UPDATE webhook_endpoints SET state = 'disabled', state_reason = :reason, state_since = now()
WHERE endpoint_id = :endpoint_id AND state <> 'disabled' RETURNING endpoint_id;

-- name: disable_by_hand(endpoint_id, reason)!
-- Of a row that the caller holds. An operator's word takes the place of why it was disabled by itself: he knows.
UPDATE webhook_endpoints SET state = 'disabled', state_reason = :reason,
    state_since = CASE WHEN state = 'disabled' THEN state_since ELSE now() END
WHERE endpoint_id = :endpoint_id;

-- name: rotate(endpoint_id, secret, old_secret, old_secret_until)!
-- Of a row that the caller holds.
UPDATE webhook_endpoints SET secret = :secret, old_secret = :old_secret, old_secret_until = :old_secret_until::timestamptz
WHERE endpoint_id = :endpoint_id;

-- name: record_success(endpoint_id, now)!
-- One writer a second: the row is not rewritten at each of many deliveries.
UPDATE webhook_endpoints SET succeeded_at = :now::timestamptz, failing_since = NULL
WHERE endpoint_id = :endpoint_id
    AND (failing_since IS NOT NULL OR succeeded_at IS NULL OR succeeded_at < :now::timestamptz - interval '1 second');

-- name: record_failure(endpoint_id, failure, now)^
-- Since when without a break: kept until something arrives.
UPDATE webhook_endpoints SET failed_at = :now::timestamptz, failure = :failure,
    failing_since = coalesce(failing_since, :now::timestamptz)
WHERE endpoint_id = :endpoint_id RETURNING failing_since;

-- name: remove(endpoint_id)^
DELETE FROM webhook_endpoints WHERE endpoint_id = :endpoint_id RETURNING endpoint_id;

-- name: seed(client_id, subscription_id)!
-- Configuration only seeds the subscription: once known it is the database's, so that a re-created subscription
-- does not make every event foreign.
INSERT INTO apps AS a (client_id, subscription_id) VALUES (:client_id, :subscription_id)
ON CONFLICT (client_id) DO UPDATE SET subscription_id = coalesce(a.subscription_id, excluded.subscription_id);

-- name: subscription_id(client_id)$
SELECT subscription_id FROM apps WHERE client_id = :client_id;

-- name: record_finding(client_id, state, detail, subscription_id, at)!
-- One statement; of two daemons that look at the same time the later word stands, and both words are true of their
-- moment. A subscription vouches from the first look that saw it without a break: another id, or one that was gone
-- or led elsewhere in between, begins anew. `unknown` is no news, so what was known stays.
UPDATE apps SET
    subscription_state = :state, subscription_detail = :detail, subscription_checked_at = :at::timestamptz,
    subscription_verified_at = CASE :state WHEN 'verified' THEN :at::timestamptz
        WHEN 'unknown' THEN subscription_verified_at END,
    subscription_since = CASE :state
        WHEN 'verified' THEN CASE WHEN subscription_id = :subscription_id::bigint
            THEN coalesce(subscription_since, :at::timestamptz) ELSE :at::timestamptz END
        WHEN 'unknown' THEN subscription_since END,
    subscription_id = CASE :state WHEN 'verified' THEN :subscription_id::bigint ELSE subscription_id END
WHERE client_id = :client_id;

-- name: subscription(client_id)^
-- Reads only.
SELECT subscription_id, subscription_state AS state, subscription_detail AS detail, subscription_checked_at AS checked_at,
    subscription_verified_at AS verified_at, subscription_since AS since
FROM apps WHERE client_id = :client_id;

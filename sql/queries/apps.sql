-- name: seed(client_id, subscription_id)!
-- Configuration only seeds the subscription: once known it is the database's, so that a re-created subscription
-- does not make every event foreign.
INSERT INTO apps AS a (client_id, subscription_id) VALUES (:client_id, :subscription_id)
ON CONFLICT (client_id) DO UPDATE SET subscription_id = coalesce(a.subscription_id, excluded.subscription_id);

-- name: subscription_id(client_id)$
SELECT subscription_id FROM apps WHERE client_id = :client_id;

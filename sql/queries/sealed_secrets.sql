-- name: page(place, after, most)
-- Reads only; of the places but one is looked at.
SELECT row_id, sealed FROM (
    SELECT 'refresh token of athlete' AS place, athlete_id AS row_id, refresh_token AS sealed FROM credentials
    UNION ALL SELECT 'access token of athlete', athlete_id, access_token FROM credentials
    UNION ALL SELECT 'key of Intervals.icu of athlete', athlete_id, secret FROM intervals_credentials
    UNION ALL SELECT 'address of notification', endpoint_id, url FROM webhook_endpoints
    UNION ALL SELECT 'secret of notification', endpoint_id, secret FROM webhook_endpoints
    UNION ALL SELECT 'old secret of notification', endpoint_id, old_secret FROM webhook_endpoints
    UNION ALL SELECT 'token to take leave with of athlete', athlete_id, refresh_token FROM farewells
) AS places
WHERE place = :place::text AND row_id > :after::bigint AND sealed IS NOT NULL ORDER BY row_id LIMIT :most::integer;

-- name: count()$
-- Reads only.
SELECT count(sealed)::integer FROM (
    SELECT 'refresh token of athlete' AS place, athlete_id AS row_id, refresh_token AS sealed FROM credentials
    UNION ALL SELECT 'access token of athlete', athlete_id, access_token FROM credentials
    UNION ALL SELECT 'key of Intervals.icu of athlete', athlete_id, secret FROM intervals_credentials
    UNION ALL SELECT 'address of notification', endpoint_id, url FROM webhook_endpoints
    UNION ALL SELECT 'secret of notification', endpoint_id, secret FROM webhook_endpoints
    UNION ALL SELECT 'old secret of notification', endpoint_id, old_secret FROM webhook_endpoints
    UNION ALL SELECT 'token to take leave with of athlete', athlete_id, refresh_token FROM farewells
) AS places;

-- name: exchange_refresh_token(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE credentials SET refresh_token = :new WHERE athlete_id = :row_id AND refresh_token = :old RETURNING athlete_id;

-- name: exchange_access_token(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE credentials SET access_token = :new WHERE athlete_id = :row_id AND access_token = :old RETURNING athlete_id;

-- name: exchange_intervals_secret(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE intervals_credentials SET secret = :new WHERE athlete_id = :row_id AND secret = :old RETURNING athlete_id;

-- name: exchange_webhook_address(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE webhook_endpoints SET url = :new WHERE endpoint_id = :row_id AND url = :old RETURNING endpoint_id;

-- name: exchange_webhook_secret(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE webhook_endpoints SET secret = :new WHERE endpoint_id = :row_id AND secret = :old RETURNING endpoint_id;

-- name: exchange_old_webhook_secret(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE webhook_endpoints SET old_secret = :new WHERE endpoint_id = :row_id AND old_secret = :old RETURNING endpoint_id;

-- name: exchange_farewell_token(row_id, old, new)^
-- Only over what was read. The secret is the same: no version moves, and a refresh under way is not disturbed.
UPDATE farewells SET refresh_token = :new WHERE athlete_id = :row_id AND refresh_token = :old RETURNING athlete_id;

-- name: read(client_id, by_hand)^
SELECT
    ARRAY(SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name)
        AS settings_off,
    (SELECT count(*) FROM events WHERE folded_at IS NULL)::bigint AS unfolded,
    (SELECT min(received_at) FROM events WHERE folded_at IS NULL) AS oldest_unfolded_at,
    (SELECT min(j.run_at) FROM jobs j LEFT JOIN turns t ON t.athlete_id = j.serial_key
        WHERE j.state = 'queued' AND j.lane IN ('live', 'interactive') AND (j.while_resting OR t.resting IS NOT TRUE))
        AS oldest_runnable_at,
    (SELECT count(*) FROM jobs WHERE state = 'dead')::bigint AS dead_jobs,
    (SELECT count(*) FROM athletes WHERE state = 'needs_authorization' AND leaving_at IS NULL)::bigint AS needs_authorization,
    (SELECT count(*) FROM webhook_endpoints WHERE state = 'disabled' AND state_reason IS DISTINCT FROM :by_hand)::bigint
        AS disabled_notifications,
    EXISTS (SELECT 1 FROM apps WHERE client_id = :client_id AND subscription_id IS NOT NULL) AS subscription_known,
    (SELECT subscription_state FROM apps WHERE client_id = :client_id) AS subscription_state,
    (SELECT subscription_detail FROM apps WHERE client_id = :client_id) AS subscription_detail,
    (SELECT subscription_verified_at FROM apps WHERE client_id = :client_id) AS subscription_verified_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(
            t.job, extract(epoch FROM t.starts_at)::double precision, extract(epoch FROM r.started_at)::double precision
        ) ORDER BY t.job), '[]')
        FROM scheduler_timers t LEFT JOIN scheduler_runs r ON r.job = t.job AND r.finished_at IS NULL) AS timers;

-- name: server()^
-- What a person should know of the server; reads only.
SELECT now() AS server_at, current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('server_version') AS version,
    ARRAY(SELECT name FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum') AND setting = 'off'
        ORDER BY name) AS settings_off,
    current_setting('max_connections')::integer AS max_connections,
    (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    pg_database_size(current_database()) AS size_bytes;

-- name: connected()^
-- Who has granted what; reads only.
SELECT count(*)::integer AS athletes,
    count(*) FILTER (WHERE state = 'needs_authorization')::integer AS resting,
    count(*) FILTER (WHERE NOT scope && ARRAY['activity:read', 'activity:read_all'])::integer AS without_activities,
    count(*) FILTER (WHERE 'activity:read' = ANY(scope) AND NOT 'activity:read_all' = ANY(scope))::integer
        AS without_private
FROM athletes;

-- name: traffic(since, now)^
-- Reads only, from indexes: what was folded lately, what is due, what is at work.
SELECT
    (SELECT count(*) FROM events WHERE folded_at >= :since::timestamptz)::bigint AS events,
    (SELECT count(*) FROM jobs WHERE state = 'queued' AND run_at <= :now::timestamptz)::bigint AS jobs_due,
    (SELECT count(*) FROM jobs WHERE state = 'running')::bigint AS jobs_running;

-- name: open(client_id, overall_quarter_limit, overall_day_limit, read_quarter_limit, read_day_limit)!
-- Configured limits count until the first answer shows the true ones.
INSERT INTO quota_ledgers AS q (client_id, overall_quarter_limit, overall_day_limit, read_quarter_limit, read_day_limit)
VALUES (:client_id, :overall_quarter_limit, :overall_day_limit, :read_quarter_limit, :read_day_limit)
ON CONFLICT (client_id) DO UPDATE SET overall_quarter_limit = excluded.overall_quarter_limit,
    overall_day_limit = excluded.overall_day_limit, read_quarter_limit = excluded.read_quarter_limit,
    read_day_limit = excluded.read_day_limit, version = q.version + 1
WHERE NOT q.limits_learned;

-- name: read(client_id)^
SELECT *, clock_timestamp() AS read_at FROM quota_ledgers WHERE client_id = :client_id;

-- name: write(client_id, version, columns, past_quarter)^
-- The one conditional statement of every permit: it changes the row only as it was read, and no later than the
-- decision stays true. Whoever comes second re-reads. No lock outlives the statement. A quarter that has ended goes
-- into the history once, with the write that turned it.
WITH written AS (UPDATE quota_ledgers AS q SET
    version = q.version + 1,
    offset_low_seconds = n.offset_low_seconds, offset_high_seconds = n.offset_high_seconds, offset_at = n.offset_at,
    inactive_until = n.inactive_until, cold_at = n.cold_at,
    overall_quarter_limit = n.overall_quarter_limit, overall_day_limit = n.overall_day_limit,
    read_quarter_limit = n.read_quarter_limit, read_day_limit = n.read_day_limit, limits_learned = n.limits_learned,
    quarter_index = n.quarter_index, quarter_charged = n.quarter_charged,
    quarter_charged_ahead = n.quarter_charged_ahead, quarter_shown = n.quarter_shown,
    quarter_silent = n.quarter_silent, quarter_silent_seen = n.quarter_silent_seen,
    quarter_overall_usage = n.quarter_overall_usage, quarter_read_usage = n.quarter_read_usage,
    quarter_spent = n.quarter_spent, quarter_by_lane = n.quarter_by_lane, quarter_silent_ahead = n.quarter_silent_ahead,
    day_index = n.day_index, day_charged = n.day_charged, day_charged_ahead = n.day_charged_ahead,
    day_shown = n.day_shown, day_silent = n.day_silent, day_silent_seen = n.day_silent_seen,
    day_overall_usage = n.day_overall_usage, day_read_usage = n.day_read_usage, day_spent = n.day_spent,
    day_by_lane = n.day_by_lane, day_silent_ahead = n.day_silent_ahead
FROM jsonb_populate_record(NULL::quota_ledgers, :columns::jsonb) AS n
WHERE q.client_id = :client_id AND q.version = :version
    AND clock_timestamp() < (:columns::jsonb ->> 'decided_at')::timestamptz + interval '500 milliseconds'
RETURNING q.version
), ended AS (
    INSERT INTO quota_quarters (client_id, began_at, seconds, live, interactive, scheduled, backfill, others)
    SELECT :client_id, p.began_at, p.seconds, p.live, p.interactive, p.scheduled, p.backfill, p.others
    FROM written, jsonb_populate_record(NULL::quota_quarters, :past_quarter::jsonb) AS p WHERE p.began_at IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT version FROM written;

-- name: past_hours(client_id, since)
-- History, whole hours: what demand is learned from.
SELECT date_trunc('hour', began_at, 'UTC') AS began_at, sum(seconds)::double precision AS seconds,
    sum(live)::integer AS live, sum(interactive)::integer AS interactive, sum(scheduled)::integer AS scheduled,
    sum(backfill)::integer AS backfill
FROM quota_quarters WHERE client_id = :client_id AND began_at >= :since::timestamptz GROUP BY 1 ORDER BY 1;

-- name: calls_since(client_id, since)$
SELECT coalesce(sum(live + interactive + scheduled + backfill), 0)::bigint FROM quota_quarters
WHERE client_id = :client_id AND began_at >= :since::timestamptz;

-- name: prune_past(before, most)$
-- In small batches; nobody else touches old quarters.
WITH old AS (
    SELECT client_id, began_at FROM quota_quarters WHERE began_at < :before::timestamptz LIMIT :most::integer
), gone AS (
    DELETE FROM quota_quarters AS q USING old WHERE q.client_id = old.client_id AND q.began_at = old.began_at RETURNING 1
)
SELECT count(*) FROM gone;

-- All of these read only, in one snapshot that the caller holds: nothing is seen half changed. No secret leaves: no
-- token, no key, no hash of a cookie. Which table is in which, daemon/store/exports.py says.

-- name: athlete(athlete_id)$
-- One object of all that there is one row of, and what he is signed in with.
SELECT jsonb_build_object(
    'athlete', to_jsonb(a),
    'sync', (SELECT to_jsonb(s) FROM sync_states s WHERE s.athlete_id = a.athlete_id),
    'history', (SELECT to_jsonb(b) FROM backfills b WHERE b.athlete_id = a.athlete_id),
    'intervals', (SELECT to_jsonb(i) - 'secret' FROM intervals_credentials i WHERE i.athlete_id = a.athlete_id),
    'sessions', (SELECT coalesce(jsonb_agg(to_jsonb(w) - 'session_hash' - 'token_id' ORDER BY w.created_at), '[]')
        FROM web_sessions w WHERE w.athlete_id = a.athlete_id))
FROM athletes a WHERE a.athlete_id = :athlete_id;

-- name: activities(athlete_id, after_id, most)
-- A page of them by id, each with all that was made of it: together they may be too much for memory. Cut to the page
-- first, or PostgreSQL makes JSON of everything that follows, page after page.
WITH page AS MATERIALIZED (
    SELECT * FROM activities WHERE athlete_id = :athlete_id AND activity_id > :after_id
    ORDER BY activity_id LIMIT :most::integer
)
SELECT jsonb_build_object('activity', to_jsonb(a), 'statistics', to_jsonb(s), 'load', to_jsonb(l),
    'suspicion', to_jsonb(u)) AS entry
FROM page a LEFT JOIN activity_statistics s USING (activity_id) LEFT JOIN activity_loads l USING (activity_id)
    LEFT JOIN suspicions u USING (activity_id)
ORDER BY a.activity_id;

-- name: streams(athlete_id, after_id)^
-- The next recording that is still kept: one of a long day may be megabytes.
SELECT r.activity_id, r.body FROM activities a JOIN activity_streams r USING (activity_id)
WHERE a.athlete_id = :athlete_id AND a.activity_id > :after_id ORDER BY a.activity_id LIMIT 1;

-- name: tombstones(athlete_id)
SELECT to_jsonb(t) AS entry FROM tombstones t WHERE t.athlete_id = :athlete_id ORDER BY t.activity_id;

-- name: thresholds(athlete_id)
SELECT to_jsonb(t) AS entry FROM thresholds t WHERE t.athlete_id = :athlete_id ORDER BY t.kind, t.threshold_id;

-- name: wellness(athlete_id)
SELECT coalesce(to_jsonb(w), jsonb_build_object('on_day', on_day)) || jsonb_build_object('modifier', m.value,
    'modifier_parts', m.parts, 'modifier_explanation', m.explanation) AS entry
FROM (SELECT * FROM wellness WHERE athlete_id = :athlete_id) w
    FULL JOIN (SELECT * FROM wellness_modifiers WHERE athlete_id = :athlete_id) m USING (on_day)
ORDER BY on_day, w.source;

-- name: fitness(athlete_id)
SELECT to_jsonb(f) AS entry FROM fitness f WHERE f.athlete_id = :athlete_id ORDER BY f.on_day;

-- name: events(owner_id)
SELECT to_jsonb(e) - 'dedup_key' - 'body' || jsonb_build_object('body', encode(e.body, 'escape')) AS entry
FROM events e WHERE e.owner_id = :owner_id ORDER BY e.event_id;

-- name: jobs(athlete_id)
SELECT to_jsonb(j) - 'token' AS entry FROM jobs j
WHERE j.serial_key = :athlete_id
    OR (j.serial_key IS NULL AND j.payload->>'athlete_id' = (:athlete_id::bigint)::text) ORDER BY j.job_id;

-- name: asks(athlete_id)
SELECT to_jsonb(k) AS entry FROM sync_asks k WHERE k.athlete_id = :athlete_id ORDER BY k.run_id;

-- name: news(athlete_id)
SELECT to_jsonb(o) - 'transaction' AS entry FROM outbox o WHERE o.athlete_id = :athlete_id ORDER BY o.news_id;

-- name: write(topic, athlete_id, body)!
INSERT INTO outbox (topic, athlete_id, body) VALUES (:topic, :athlete_id, :body);

-- name: horizon()$
-- Everything before this transaction is either committed or will never be.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text;

-- name: read_after(transaction_id, news_id, most, athlete_id)
-- Follows (transaction, id) and stops at the oldest transaction still running: a slow commit is never skipped.
-- Without an athlete: everybody's.
SELECT transaction::text AS transaction_id, news_id, topic, athlete_id, body, written_at FROM outbox
WHERE (transaction, news_id) > (:transaction_id::text::xid8, :news_id::bigint)
    AND transaction < pg_snapshot_xmin(pg_current_snapshot())
    AND (:athlete_id::bigint IS NULL OR athlete_id = :athlete_id::bigint)
ORDER BY transaction, news_id LIMIT :most::integer;

-- name: prune(before, most)$
-- In small batches, by the index on the time of writing.
WITH old AS (
    SELECT transaction, news_id FROM outbox WHERE written_at < :before::timestamptz ORDER BY written_at
    LIMIT :most::integer FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM outbox o USING old WHERE (o.transaction, o.news_id) = (old.transaction, old.news_id) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: forget_athlete(athlete_id)!
DELETE FROM outbox WHERE athlete_id = :athlete_id;

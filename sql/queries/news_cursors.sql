-- name: open(reader)!
-- A cursor begins at the end. One from another server (a restored dump counts transactions anew) would wait for
-- ever, so it begins there too. Side by side daemons write the same.
INSERT INTO news_cursors AS c (reader, transaction, news_id)
VALUES (:reader, pg_snapshot_xmin(pg_current_snapshot()), 0)
ON CONFLICT (reader) DO UPDATE SET transaction = excluded.transaction, news_id = 0
WHERE c.transaction > excluded.transaction;

-- name: is_behind(reader)$
-- Reads only: without news, or without anybody to tell, nothing is locked and nothing written.
SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE state = 'active') AND EXISTS (
    SELECT 1 FROM outbox o JOIN news_cursors c ON (o.transaction, o.news_id) > (c.transaction, c.news_id)
    WHERE c.reader = :reader AND o.transaction < pg_snapshot_xmin(pg_current_snapshot()));

-- name: take(reader)^
-- Held until the transaction ends; another daemon that comes meanwhile passes by and waits for nothing.
SELECT transaction::text AS transaction_id, news_id FROM news_cursors WHERE reader = :reader FOR UPDATE SKIP LOCKED;

-- name: advance(reader, transaction_id, news_id)!
-- By whoever holds the row, in the transaction that queued what it read: both, or neither.
UPDATE news_cursors SET transaction = :transaction_id::text::xid8, news_id = :news_id WHERE reader = :reader;

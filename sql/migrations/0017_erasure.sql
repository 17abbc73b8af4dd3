-- What an erasure deletes by athlete, each found by an index: it must not read the whole queue, nor all news.

-- Queued and running jobs have theirs (jobs_of_athlete, jobs_one_running). Settled ones get one entry as they settle,
-- so that the hot part of the queue pays nothing.
CREATE INDEX jobs_settled_of_athlete ON jobs (serial_key)
    WHERE state IN ('done', 'dead') AND serial_key IS NOT NULL;
-- Deliveries, syncs of wellness and erasures say in their payload about whom they are.
CREATE INDEX jobs_about_athlete ON jobs ((payload->>'athlete_id')) WHERE serial_key IS NULL;
CREATE INDEX outbox_by_athlete ON outbox (athlete_id) WHERE athlete_id IS NOT NULL;

-- Pruned by the hour beside each batch of old events.
CREATE INDEX webhook_budgets_by_hour ON webhook_budgets (hour_at);

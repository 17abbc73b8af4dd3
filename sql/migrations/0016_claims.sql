-- What waits for quota stands in a lane that is mostly shut, a row for each athlete whose history comes in: a claim must
-- not read over it. One of the two indexes holds each queued job, as the one before them did.
CREATE INDEX jobs_asking ON jobs (lane, fair_at, job_id) WHERE state = 'queued' AND asks_strava;
CREATE INDEX jobs_not_asking ON jobs (lane, fair_at, job_id) WHERE state = 'queued' AND NOT asks_strava;
DROP INDEX jobs_due;

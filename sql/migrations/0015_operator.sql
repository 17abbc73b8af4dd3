-- What the operator's page looks up: the few rows that are in trouble, each by an index of those rows alone.

CREATE INDEX jobs_dead ON jobs (settled_at DESC, job_id DESC) WHERE state = 'dead';
-- Queued again after an attempt that failed; what was only deferred has its attempt back.
CREATE INDEX jobs_failing ON jobs (run_at) WHERE state = 'queued' AND attempts > 0;
CREATE INDEX athletes_resting ON athletes (state_since DESC) WHERE state = 'needs_authorization';

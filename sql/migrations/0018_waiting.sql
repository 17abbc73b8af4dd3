-- How much of one kind is due now, asked again and again while a run fills the queue: of a long queue those rows alone.
CREATE INDEX jobs_waiting ON jobs (kind, run_at) WHERE state = 'queued';

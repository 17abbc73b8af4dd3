-- When an athlete last asked for a look himself: he may every few minutes.
ALTER TABLE sync_states ADD COLUMN asked_at timestamptz;

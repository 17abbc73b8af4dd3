-- What follows from loads and thresholds without a call: modifiers, fitness, and how far each has been brought.

ALTER TABLE activity_loads
    ADD COLUMN modifier_parts jsonb NOT NULL DEFAULT '[]',       -- what each signal of wellness adds, and from what
    ADD COLUMN modifier_explanation text NOT NULL DEFAULT '';

-- The state at the end of each local day; tsb is yesterday's ctl − atl. load is what that day added.
CREATE TABLE fitness (
    athlete_id  bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    on_day      date NOT NULL,
    load        double precision NOT NULL,
    ctl         double precision NOT NULL,
    atl         double precision NOT NULL,
    tsb         double precision NOT NULL,
    PRIMARY KEY (athlete_id, on_day)
);

ALTER TABLE athletes
    ADD COLUMN born_on date,
    -- Loads from this local day on are to be computed again; each slice of the work moves it on.
    ADD COLUMN loads_dirty_from date,
    -- The local day of the last fit: activities cause one a day at most.
    ADD COLUMN thresholds_looked_on date,
    -- What was found inconsistent among the thresholds in force: {kinds, sentence} each.
    ADD COLUMN threshold_doubts jsonb NOT NULL DEFAULT '[]';

CREATE INDEX activities_by_local_day ON activities (athlete_id, local_start_at);

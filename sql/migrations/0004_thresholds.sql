-- What science decides on thresholds. Speeds are in m/s, power in W, heart rates in bpm; what a fit found beside its
-- value (W′, D′, the efforts) is its evidence.

ALTER TABLE thresholds
    DROP CONSTRAINT thresholds_kind_check,
    DROP CONSTRAINT thresholds_method_check,
    ADD CONSTRAINT thresholds_kind_check CHECK (kind IN (
        'ftp',                             -- rides
        'critical_speed',                  -- on foot, graded
        'css',                             -- swims
        'lthr', 'max_hr', 'resting_hr'     -- the heart
    )),
    ADD CONSTRAINT thresholds_method_check CHECK (method IN (
        'manual',                          -- by hand: in force from its date until it is withdrawn
        'imported',                        -- brought along from another app
        'critical_power', 'best_20_minutes', 'critical_speed', 'best_times',
        'half_hours_at_threshold', 'hardest_half_hours', 'observed', 'age', 'wellness'
    )),
    ADD COLUMN explanation text NOT NULL DEFAULT '',
    ADD COLUMN written_on date NOT NULL DEFAULT current_date,   -- the athlete's local day
    -- Written while a manual value was in force: it waits behind that one.
    ADD COLUMN suggested boolean NOT NULL DEFAULT false,
    -- A rule of thumb, for want of anything observed.
    ADD COLUMN assumed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT thresholds_suggested CHECK (NOT suggested OR method NOT IN ('manual', 'imported'));

-- What a fit has written is never written over, so two of its rows may begin on one day: the later one counts.
DROP INDEX thresholds_one_in_force;
CREATE UNIQUE INDEX thresholds_one_a_day ON thresholds (athlete_id, kind, method, effective_on)
    WHERE withdrawn_at IS NULL AND method IN ('manual', 'imported');
CREATE INDEX thresholds_of_athlete ON thresholds (athlete_id);

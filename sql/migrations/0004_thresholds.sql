-- What pace, swims and fits need of thresholds. Speeds are in m/s, critical power in W, W′ in J, D′ in m.

ALTER TABLE thresholds
    DROP CONSTRAINT thresholds_kind_check,
    DROP CONSTRAINT thresholds_method_check,
    ADD CONSTRAINT thresholds_kind_check CHECK (kind IN (
        'ftp', 'critical_power', 'w_prime',        -- rides
        'critical_speed', 'd_prime',               -- on foot, graded
        'css',                                     -- swims
        'lthr', 'max_hr', 'resting_hr'             -- the heart
    )),
    ADD CONSTRAINT thresholds_method_check CHECK (method IN (
        'manual',     -- by hand: in force from its date until it is withdrawn
        'imported',   -- brought along from another app
        'fitted',     -- to best efforts, with a standard error
        'measured',   -- read off records or mornings
        'estimated',  -- a rule of thumb, for want of better
        'suggested'   -- what would have been written, were a manual value not in force; never in force itself
    ));

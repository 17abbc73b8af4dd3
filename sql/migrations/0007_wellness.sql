-- Wellness by local day, what it makes of each day's loads, and the keys with which Intervals.icu is asked.

-- One row per source, so that two of them never overwrite each other in turn; `core.wellness` says which one counts.
-- Heart rates in bpm, variabilities in ms, scores and readiness 0 to 100, the rest of the scales 1 (good) to 4.
CREATE TABLE wellness (
    athlete_id     bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    on_day         date NOT NULL,
    source         text NOT NULL DEFAULT 'posted' CHECK (source IN ('posted', 'intervals')),
    resting_hr     double precision CHECK (resting_hr BETWEEN 20 AND 150),
    hrv_rmssd      double precision CHECK (hrv_rmssd BETWEEN 1 AND 500),
    hrv_sdnn       double precision CHECK (hrv_sdnn BETWEEN 1 AND 500),
    sleep_seconds  integer CHECK (sleep_seconds BETWEEN 1 AND 86400),
    sleep_score    double precision CHECK (sleep_score BETWEEN 0 AND 100),
    sleep_quality  smallint CHECK (sleep_quality BETWEEN 1 AND 4),
    soreness       smallint CHECK (soreness BETWEEN 1 AND 4),
    fatigue        smallint CHECK (fatigue BETWEEN 1 AND 4),
    stress         smallint CHECK (stress BETWEEN 1 AND 4),
    mood           smallint CHECK (mood BETWEEN 1 AND 4),
    motivation     smallint CHECK (motivation BETWEEN 1 AND 4),
    injury         smallint CHECK (injury BETWEEN 1 AND 4),
    readiness      double precision CHECK (readiness BETWEEN 0 AND 100),
    weight_kg      double precision CHECK (weight_kg BETWEEN 20 AND 400),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (athlete_id, on_day, source),
    CHECK (num_nonnulls(resting_hr, hrv_rmssd, hrv_sdnn, sleep_seconds, sleep_score, sleep_quality, soreness, fatigue,
        stress, mood, motivation, injury, readiness, weight_kg) > 0)
);

-- What multiplies the raw loads of a local day, with the parts that it was made of. No row: 1, nothing is known.
CREATE TABLE wellness_modifiers (
    athlete_id   bigint NOT NULL REFERENCES athletes ON DELETE CASCADE,
    on_day       date NOT NULL,
    value        double precision NOT NULL CHECK (value BETWEEN 0.9 AND 1.1),
    parts        jsonb NOT NULL,
    explanation  text NOT NULL,
    computed_at  timestamptz NOT NULL,
    PRIMARY KEY (athlete_id, on_day)
);

-- An athlete's key or token of Intervals.icu, sealed as those of Strava's. A refused one rests his wellness alone.
CREATE TABLE intervals_credentials (
    athlete_id    bigint PRIMARY KEY REFERENCES athletes ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('api_key', 'bearer')),
    secret        bytea NOT NULL,
    intervals_id  text,  -- how Intervals.icu calls him: learned at the first sync, its webhooks name him so
    state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'refused')),
    state_reason  text,
    state_since   timestamptz NOT NULL,
    syncs         bigint NOT NULL DEFAULT 0,  -- numbers the syncs: only the newest may store what it found
    synced_at     timestamptz,
    CHECK ((state = 'refused') = (state_reason IS NOT NULL))
);
CREATE INDEX intervals_credentials_by_name ON intervals_credentials (intervals_id) WHERE intervals_id IS NOT NULL;

-- name: put(athlete_id, kind, value, method, effective_on, explanation, evidence)^
-- By hand or by an import: one row a day, and the same value again keeps its row and returns none. Callers hold the
-- athlete's row.
INSERT INTO thresholds (athlete_id, kind, value, method, effective_on, explanation, evidence)
VALUES (:athlete_id, :kind, :value, :method, :effective_on, :explanation, :evidence)
ON CONFLICT (athlete_id, kind, method, effective_on) WHERE withdrawn_at IS NULL AND method IN ('manual', 'imported')
DO UPDATE SET value = excluded.value, explanation = excluded.explanation, evidence = excluded.evidence,
    created_at = now()
WHERE thresholds.value <> excluded.value
RETURNING threshold_id;

-- name: add(athlete_id, kind, value, standard_error, method, effective_on, written_on, suggested, assumed, explanation, evidence)$
-- What a fit decided. Rows are only ever added, under the athlete's row lock.
INSERT INTO thresholds (athlete_id, kind, value, standard_error, method, effective_on, written_on, suggested, assumed,
    explanation, evidence)
VALUES (:athlete_id, :kind, :value, :standard_error, :method, :effective_on, :written_on, :suggested, :assumed,
    :explanation, :evidence)
RETURNING threshold_id;

-- name: withdraw(athlete_id, kind, effective_on, but_value, at)
-- Manual rows of a kind: all, or that of one day (unless it has `but_value` anyway). Withdrawn once: of two at the
-- same time one gets the rows.
UPDATE thresholds SET withdrawn_at = :at::timestamptz
WHERE athlete_id = :athlete_id AND kind = :kind AND method = 'manual' AND withdrawn_at IS NULL
    AND (:effective_on::date IS NULL OR effective_on = :effective_on::date)
    AND (:but_value::double precision IS NULL OR value <> :but_value::double precision)
RETURNING threshold_id, value, effective_on;

-- name: entries(athlete_id)
-- What counts when somebody asks what is in force; which of them is, `science.lineage` says. Reads only.
SELECT threshold_id, kind, value, method, effective_on, written_on, assumed FROM thresholds
WHERE athlete_id = :athlete_id AND withdrawn_at IS NULL ORDER BY threshold_id;

-- name: history(athlete_id)
-- Everything that was ever written, as one snapshot.
SELECT threshold_id, kind, value, standard_error, method, effective_on, written_on, suggested, assumed, explanation,
    evidence, created_at, withdrawn_at
FROM thresholds WHERE athlete_id = :athlete_id ORDER BY kind, effective_on, threshold_id;

-- name: assumed_ids(athlete_id)
-- Reads only; withdrawn ones too, since a load may still rest on them.
SELECT threshold_id FROM thresholds WHERE athlete_id = :athlete_id AND assumed;

-- name: get(threshold_id)^
-- One row, which is never written over.
SELECT threshold_id, kind, value, standard_error, method, effective_on, explanation, evidence
FROM thresholds WHERE threshold_id = :threshold_id;

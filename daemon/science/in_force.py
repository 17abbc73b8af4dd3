"""What is known of an athlete on one local day: the thresholds in force, each with where it came from.

Chooses nothing: which row is in force `lineage` says, and what a new row holds `thresholds` decides.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """One value in force, where it came from, and its row; a default has no row."""

    value: float
    method: str
    threshold_id: int | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values in force on the activity's local day, None where there is none; `sex` is "M", "F" or unknown.

    `critical_speed_m_per_s` is graded speed on foot under the grade model in use, `css_m_per_s` the critical
    speed of swimming.
    """

    ftp_watts: Threshold | None = None
    critical_speed_m_per_s: Threshold | None = None
    css_m_per_s: Threshold | None = None
    lthr_bpm: Threshold | None = None
    max_hr_bpm: Threshold | None = None
    resting_hr_bpm: Threshold | None = None
    sex: str | None = None

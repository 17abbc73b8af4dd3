"""What is known of an athlete on one local day: the thresholds in force, each with where it came from.

Chooses nothing: which row is in force `lineage` says, and what a new row holds `thresholds` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


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


# By the names of the fields, under which a load keeps what it was computed with.
UNITS: Final[Mapping[str, str]] = {
    "ftp_watts": "W",
    "critical_speed_m_per_s": "m/s",
    "css_m_per_s": "m/s",
    "lthr_bpm": "bpm",
    "max_hr_bpm": "bpm",
    "resting_hr_bpm": "bpm",
}

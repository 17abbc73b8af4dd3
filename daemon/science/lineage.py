"""The rows of an athlete's thresholds, and which of them counts: for a local day's load, and for a fit.

A manual row wins from its date on; among the others the one that begins latest, and of two of one day the later
written. Refuses to read rows and to judge values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from daemon.science.evidence import Kind
from daemon.science.in_force import Threshold, Thresholds
from daemon.science.thresholds import InForce, Standing

MANUAL: Final = "manual"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that was not withdrawn; `written_on` is the local day on which it was decided."""

    threshold_id: int
    kind: Kind
    value: float
    method: str
    effective_on: date
    written_on: date
    assumed: bool = False


def entries_on(entries: Iterable[Entry], on: date) -> dict[Kind, Entry]:
    """Return the row in force on a local day, by kind."""
    found: dict[Kind, Entry] = {}
    for entry in entries:
        if entry.effective_on <= on and (entry.kind not in found or _rank(entry) > _rank(found[entry.kind])):
            found[entry.kind] = entry
    return found


def thresholds_on(entries: Iterable[Entry], on: date, sex: str | None) -> Thresholds:
    """Return what a load of that local day is computed with."""
    rows = entries_on(entries, on)

    def in_force(kind: Kind) -> Threshold | None:
        row = rows.get(kind)
        return Threshold(row.value, row.method, row.threshold_id) if row is not None else None

    return Thresholds(
        ftp_watts=in_force(Kind.FTP),
        critical_speed_m_per_s=in_force(Kind.CRITICAL_SPEED),
        css_m_per_s=in_force(Kind.CRITICAL_SWIM_SPEED),
        lthr_bpm=in_force(Kind.LTHR),
        max_hr_bpm=in_force(Kind.MAX_HR),
        resting_hr_bpm=in_force(Kind.RESTING_HR),
        sex=sex,
    )


def standings(entries: Sequence[Entry], today: date) -> Mapping[Kind, InForce]:
    """Return what a fit of today stands against: by kind the newest automatic row and the newest manual one."""
    automatic = entries_on((entry for entry in entries if entry.method != MANUAL), today)
    manual = entries_on((entry for entry in entries if entry.method == MANUAL), today)
    return {
        kind: InForce(automatic=_standing(automatic.get(kind)), manual=_standing(manual.get(kind)))
        for kind in {*automatic, *manual}
    }


def _rank(entry: Entry) -> tuple[bool, date, int]:
    return entry.method == MANUAL, entry.effective_on, entry.threshold_id


def _standing(entry: Entry | None) -> Standing | None:
    if entry is None:
        return None
    return Standing(entry.value, entry.method, entry.effective_on, entry.written_on, entry.assumed)

"""Read a FIT file as Strava would give it: the session's facts, and streams by Strava's keys.

Nothing is repaired on the way: a clock that jumps, jumps in the time stream too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fitdecode

FIELDS = {
    "watts": ("power",),
    "heartrate": ("heart_rate",),
    "velocity_smooth": ("enhanced_speed", "speed"),
    "distance": ("distance",),
    "altitude": ("enhanced_altitude", "altitude"),
}


@dataclass(frozen=True, slots=True)
class FitActivity:
    """`session` has the FIT names of the fields of the file's session message."""

    session: dict[str, Any]
    streams: dict[str, object]


def read_fit(path: Path) -> FitActivity:
    records: list[dict[str, Any]] = []
    session: dict[str, Any] = {}
    with fitdecode.FitReader(
        path,
        check_crc=fitdecode.CrcCheck.DISABLED,
        error_handling=fitdecode.ErrorHandling.IGNORE,
    ) as reader:
        for frame in reader:
            if not isinstance(frame, fitdecode.FitDataMessage):
                continue
            values = {field.name: field.value for field in frame.fields}
            if frame.name == "record":
                records.append(values)
            elif frame.name == "session":
                session = values
    start_at = session["start_time"]
    streams: dict[str, object] = {
        "time": [int((record["timestamp"] - start_at).total_seconds()) for record in records]
    }
    for key, names in FIELDS.items():
        channel = [_first(record, names) for record in records]
        if any(value is not None for value in channel):
            streams[key] = channel
    return FitActivity(session=session, streams=streams)


def _first(record: dict[str, Any], names: tuple[str, ...]) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)

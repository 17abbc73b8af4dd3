"""A run cut into kilometres or miles, as its detail shows it.

Refuses anything but distance, time, altitude and heart rate; pace zones are Strava's secret and left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from sandbox.recording import Streams

METRES_PER_KILOMETRE = 1000.0
METRES_PER_MILE = 1609.344


def _rise(altitude: Sequence[float | None], start: int, end: int) -> float:
    known = [metres for metres in altitude[start : end + 1] if metres is not None]
    return round(known[-1] - known[0], 1) if known else 0.0


def splits(streams: Streams, length_metres: float) -> list[dict[str, Any]]:
    """Return one entry per full or begun length, each with its own distance, seconds and speed."""
    if not streams.get("distance") or not streams.get("time"):
        return []
    seconds, beats, altitude = streams["time"], streams.get("heartrate", ()), streams.get("altitude", ())
    covered: list[float] = list(accumulate((metres or 0.0 for metres in streams["distance"]), max))
    shown: list[dict[str, Any]] = []
    start = 0
    while start < len(covered) - 1:
        mark = (len(shown) + 1) * length_metres
        end = min(bisect_left(covered, mark, lo=start + 1), len(covered) - 1)
        metres, elapsed = covered[end] - covered[start], seconds[end] - seconds[start]
        known = [beat for beat in beats[start:end] if beat is not None]
        shown.append(
            {
                "distance": round(metres, 1),
                "elapsed_time": elapsed,
                "elevation_difference": _rise(altitude, start, end),
                "moving_time": elapsed,
                "split": len(shown) + 1,
                "average_speed": round(metres / elapsed, 2) if elapsed > 0 else 0.0,
                **({"average_heartrate": sum(known) / len(known)} if known else {}),
            }
        )
        start = end
    return shown

"""Google's encoded polylines, as Strava's maps carry them.

Refuses to simplify cleverly: it takes evenly spaced points.
Format: https://developers.google.com/maps/documentation/utilities/polylinealgorithm
"""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]


def _encode_number(value: int) -> str:
    bits = ~(value << 1) if value < 0 else value << 1
    text = ""
    while bits >= 0x20:
        text += chr((0x20 | (bits & 0x1F)) + 63)
        bits >>= 5
    return text + chr(bits + 63)


def encode(points: Sequence[Point], most: int) -> str:
    """Encode at most `most` evenly spaced points, always with the first and the last."""
    if len(points) > most:
        last = len(points) - 1
        points = [points[round(index * last / (most - 1))] for index in range(most)]
    text, latitude, longitude = "", 0, 0
    for point in points:
        next_latitude, next_longitude = round(point[0] * 1e5), round(point[1] * 1e5)
        text += _encode_number(next_latitude - latitude) + _encode_number(next_longitude - longitude)
        latitude, longitude = next_latitude, next_longitude
    return text

"""Google's encoded polylines, as Strava's maps carry them.

Refuses to simplify cleverly: it takes evenly spaced points.
Format: https://developers.google.com/maps/documentation/utilities/polylinealgorithm
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = Sequence[Sequence[float]] | NDArray[np.float64]

DIGITS = 7  # of five bits: enough for the 26 bits of a difference of 360 degrees
SHIFTS = np.arange(0, 5 * DIGITS, 5)


def encode(points: Points, most: int) -> str:
    """Encode at most `most` evenly spaced points, always with the first and the last."""
    if not len(points):
        return ""
    if len(points) > most:
        places = np.rint(np.arange(most) * ((len(points) - 1) / (most - 1))).astype(np.int64)
        points = points[places] if isinstance(points, np.ndarray) else [points[place] for place in places.tolist()]
    whole = np.rint(np.asarray(points, dtype=np.float64) * 1e5).astype(np.int64)
    steps = np.diff(whole, axis=0, prepend=0).ravel()
    bits = np.where(steps < 0, ~(steps << 1), steps << 1)
    # Five bits to a letter, the lowest first; all but a number's last letter carry a sixth bit.
    digits = (bits[:, None] >> SHIFTS) & 0x1F
    more = (bits[:, None] >> (SHIFTS + 5)) > 0
    needed = np.concatenate([np.ones((bits.size, 1), dtype=np.bool_), more[:, :-1]], axis=1)
    letters = digits + np.where(more, 0x20, 0) + 63
    encoded: bytes = letters[needed].astype(np.uint8).tobytes()
    return encoded.decode("ascii")

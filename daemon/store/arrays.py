"""Arrays of real as PostgreSQL sends them, read by numpy: for those who must not do it on the event loop.

The form is that of `array_send`: number of dimensions, a flag for NULLs, the elements' type, for each dimension
its length and lower bound, then each element with its length before it (−1 and no bytes: NULL); all in network
order.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from daemon.science.arrays import FloatArray

_HEAD: Final = struct.Struct("!iii")
_DIMENSION_BYTES: Final = 8
_ELEMENT: Final = np.dtype([("length", ">i4"), ("value", ">f4")])
_NULL: Final = b"\xff\xff\xff\xff"


def read_reals(sent: bytes) -> FloatArray:
    """Return a one-dimensional array of real; NULL becomes NaN."""
    dimensions, has_nulls, _ = _HEAD.unpack_from(sent)
    if dimensions == 0:
        return np.empty(0)
    elements = sent[_HEAD.size + _DIMENSION_BYTES :]
    if not has_nulls:
        values: FloatArray = np.frombuffer(elements, dtype=_ELEMENT)["value"].astype(np.float64)
        return values
    found, place = list[float](), 0
    while place < len(elements):
        if elements[place : place + 4] == _NULL:
            found.append(np.nan)
            place += 4
        else:
            found.append(struct.unpack_from("!f", elements, place + 4)[0])
            place += 8
    return np.array(found)

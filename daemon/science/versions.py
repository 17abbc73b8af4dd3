"""Which way of computing a stored number came from, and what has to be done when the way changes.

Whoever changes what a number comes out as adds a line here. Of the two kinds of numbers the first needs the streams
again: they are read from what retention still holds, and else fetched in the lowest lane. For the second what is
kept suffices, and everything is computed again at the next start. Refuses to do either: `renew_statistics` does.
"""

from __future__ import annotations

from typing import Final

# From streams to what is kept of them: cleaning, curves, sums.
STATISTICS: Final = ("the first",)
# From what is kept to a load: the methods, their order, what they say.
LOADS: Final = ("the first",)

STATISTICS_VERSION: Final = len(STATISTICS)
LOAD_VERSION: Final = len(LOADS)

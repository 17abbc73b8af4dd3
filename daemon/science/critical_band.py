"""What a fitted line says of each duration, and how far that may be off.

The value at t seconds is critical + reserve / t, and its error follows from those of both parameters and from how
they vary together: a fit that puts one too high puts the other too low. Refuses to fit (`critical` does), and to
speak of durations that the model was not made for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Final

from daemon.science.critical import Line

STANDARD_ERRORS: Final = 2.0  # to either side


@dataclass(frozen=True, slots=True)
class Fitted:
    """A line with one standard error of each parameter; the covariance is None where nobody kept it."""

    line: Line
    critical_error: float
    reserve_error: float
    covariance: float | None


@dataclass(frozen=True, slots=True)
class BandPoint:
    """What the line says of a duration, and two standard errors to either side."""

    seconds: int
    value: float
    low: float
    high: float


def fitted_of(critical: float, critical_error: float | None, evidence: Mapping[str, object]) -> Fitted | None:
    """Return the line of a stored threshold; None where it was not told by one.

    `evidence` is that of `effort_thresholds`; thresholds set by hand or told from 20 minutes have no reserve.
    """
    reserve, reserve_error = evidence.get("reserve"), evidence.get("reserve_error")
    if critical_error is None or not isinstance(reserve, int | float) or not isinstance(reserve_error, int | float):
        return None
    covariance = evidence.get("covariance")
    return Fitted(
        line=Line(critical, float(reserve)),
        critical_error=critical_error,
        reserve_error=float(reserve_error),
        covariance=float(covariance) if isinstance(covariance, int | float) else None,
    )


def band(fitted: Fitted, durations: Iterable[int]) -> tuple[BandPoint, ...]:
    """Return the line with its band at each duration, in seconds; nothing is below 0."""
    points = []
    for seconds in durations:
        value = fitted.line.critical + fitted.line.reserve / seconds
        width = STANDARD_ERRORS * _error(fitted, seconds)
        points.append(BandPoint(seconds, max(value, 0.0), max(value - width, 0.0), max(value + width, 0.0)))
    return tuple(points)


def _error(fitted: Fitted, seconds: int) -> float:
    critical, reserve = fitted.critical_error, fitted.reserve_error / seconds
    if fitted.covariance is None:
        # Fits of before the covariance was kept: the widest band that the two errors allow, too wide rather than
        # too narrow.
        return critical + reserve
    # Never below 0 but by rounding: no covariance is larger than the product of the errors.
    return sqrt(max(hypot(critical, reserve) ** 2 + 2 * fitted.covariance / seconds, 0.0))

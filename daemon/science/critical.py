"""Critical power and critical speed from a year of best efforts, with the error that they carry.

What can be held for t seconds is critical + reserve / t: watts and joules (W′), or m/s and metres (D′). Only the
efforts that reach highest say where that line lies. Refuses to answer where the efforts do not carry it: too few,
too short, contradicting each other, or hanging on one activity alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from daemon.science.arrays import BoolArray, FloatArray, IntArray
from daemon.science.critical_models import Model, Prior, Quantity
from daemon.science.curves import DURATIONS

WINDOW_DAYS: Final = 365
# An older effort counts as a little less than it was: form fades.
DISCOUNT_A_YEAR: Final = 0.03
FRESH_DAYS: Final = 90
LONGEST_AT_LEAST_SECONDS: Final = 600
# Fewer say nothing of the error. The speeds of those who never race mostly hang on two (measured: 73 %).
LEAST_ACTIVITIES: Final = 3
MOST_SET_ASIDE: Final = 3
CRITICAL_MOVED: Final = 0.05
FIELD_ERROR: Final = 0.02  # what no number of efforts takes away; CV in the field 2.4–6.5 % [Karsten 2015]
LARGEST_ERROR: Final = 0.05
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Bests:
    """One activity's mean-maximal curve (W, or graded m/s) on `curves.DURATIONS`, and its local day."""

    activity_id: int
    local_on: date
    curve: FloatArray


@dataclass(frozen=True, slots=True)
class Point:
    """A best effort that the line goes by; `value` is discounted for its age."""

    seconds: int
    value: float
    activity_id: int
    local_on: date


@dataclass(frozen=True, slots=True)
class SetAside:
    """An activity that waits until a second one agrees: alone it would move the result by the share `moved`.

    None where nothing could be fitted without it.
    """

    activity_id: int
    local_on: date
    moved: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """What can be held for ever, and what beyond it once: W and J, or m/s and m."""

    critical: float
    reserve: float


@dataclass(frozen=True, slots=True)
class Critical:
    """A line that the efforts carry, with one standard error of each parameter, and their covariance.

    `points` are those used, the shortest first; `without` is the critical value as it would be without each
    activity that held a best effort, used in the end or not.
    """

    quantity: Quantity
    line: Line
    critical_error: float
    reserve_error: float
    covariance: float
    points: tuple[Point, ...]
    without: dict[int, float]
    set_aside: tuple[SetAside, ...]

    @property
    def supports(self) -> tuple[int, ...]:
        """The activities that hold the points used, in the points' order."""
        return tuple(dict.fromkeys(point.activity_id for point in self.points))

    @property
    def newest_on(self) -> date:
        """The local day of the newest supporting activity."""
        return max(point.local_on for point in self.points)

    @property
    def explanation(self) -> str:
        """The result in words."""
        shortest, longest = self.points[0].seconds, self.points[-1].seconds
        words = (
            f"{self.quantity.name} is {self.quantity.words(self.line.critical, self.critical_error)} and "
            f"{self.quantity.reserve_name} {self.line.reserve:.0f} {self.quantity.reserve_unit}: the line through "
            f"{len(self.points)} best efforts of {shortest} to {longest} s in {len(self.supports)} activities."
        )
        if self.set_aside:
            words += f" Set aside until a second activity agrees: {len(self.set_aside)}."
        return words


@dataclass(frozen=True, slots=True)
class Refused:
    """No line, and why, in a sentence."""

    reason: str
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class _Efforts:
    """Discounted bests, activities × durations, 0 where unknown; `bests` in the rows' order."""

    bests: tuple[Bests, ...]
    values: FloatArray


@dataclass(frozen=True, slots=True)
class _Fits:
    """Lines through the whole envelope (first) and through that without each of `holders`; NaN where none."""

    envelope: FloatArray
    held_by: IntArray
    holders: IntArray
    critical: FloatArray
    reserve: FloatArray
    kept: BoolArray

    def moved(self, model: Model) -> FloatArray:
        """Return by how many times its allowance each holder alone moves the line."""
        with np.errstate(divide="ignore", invalid="ignore"):  # of a reserve of 0 every change is too large
            critical = np.abs(self.critical[1:] / self.critical[0] - 1) / CRITICAL_MOVED
            reserve = np.abs(self.reserve[1:] / self.reserve[0] - 1) / model.reserve_moved
        moved: FloatArray = np.maximum(critical, reserve)
        moved[np.isnan(moved)] = np.inf  # nothing is left without it
        return moved


def fit(bests: Sequence[Bests], today: date, model: Model) -> Critical | Refused:
    """Return the line that the best efforts of the year up to `today` carry; their order does not matter.

    The envelope of all activities is fitted by least squares, what lies below the line is dropped, and again,
    until nothing does. An activity that alone moves the result too far is set aside until a second one agrees.
    """
    efforts = _efforts(bests, today, model)
    set_aside: list[SetAside] = []
    while True:
        fits = _fit_with_and_without(efforts.values, model)
        if np.isnan(fits.critical[0]):
            return Refused(_too_little(fits, model), tuple(set_aside))
        moved = fits.moved(model)
        worst = int(np.argmax(moved))
        if moved[worst] <= 1:
            return _judge(efforts, fits, model, tuple(set_aside))
        if len(set_aside) == MOST_SET_ASIDE:
            return Refused(
                f"{model.quantity.name} is not known: the best efforts contradict each other, even without the "
                f"{MOST_SET_ASIDE} that contradict most.",
                tuple(set_aside),
            )
        row = int(fits.holders[worst])
        change = float(fits.critical[1 + worst] / fits.critical[0] - 1)
        alone = efforts.bests[row]
        set_aside.append(SetAside(alone.activity_id, alone.local_on, None if np.isnan(change) else abs(change)))
        efforts.values[row] = 0.0


def still_counts(local_on: date, today: date) -> float:
    """Return the share of an effort that is left today: all of it for 90 days, then 3 % less a year."""
    return 1 - DISCOUNT_A_YEAR * max(0, (today - local_on).days - FRESH_DAYS) / WINDOW_DAYS


def by_work(seconds: FloatArray, values: FloatArray) -> Line:
    """Return the plain line of work (or distance) on time, `value` · t = reserve + critical · t."""
    critical, reserve = np.polyfit(seconds, values * seconds, 1)
    return Line(float(critical), float(reserve))


def by_inverse_time(seconds: FloatArray, values: FloatArray) -> Line:
    """Return the plain line of power (or speed) on 1/t, value = critical + reserve / t."""
    critical, reserve = _solve(1 / seconds, values[None], np.ones((1, values.size)), None)
    return Line(float(critical[0]), float(reserve[0]))


def _efforts(bests: Sequence[Bests], today: date, model: Model) -> _Efforts:
    # In order of id, so that equal efforts are always held by the same activity.
    within = sorted(
        (best for best in bests if 0 <= (today - best.local_on).days < WINDOW_DAYS),
        key=lambda best: best.activity_id,
    )
    places = np.searchsorted(DURATIONS, model.durations)
    values = np.zeros((len(within), places.size))
    for row, best in enumerate(within):
        reached = places[: np.searchsorted(places, best.curve.size)]
        values[row, : reached.size] = best.curve[reached] * still_counts(best.local_on, today)
    return _Efforts(tuple(within), np.nan_to_num(values))


def _fit_with_and_without(values: FloatArray, model: Model) -> _Fits:
    """Fit the envelope, and the envelope without each activity that holds a point of it, all at once."""
    count, columns = values.shape[0], np.arange(values.shape[1])
    padded = np.vstack([values, np.zeros((2, columns.size))])  # so that there is always a second
    held_by = np.argmax(padded, axis=0)
    first = padded[held_by, columns]
    padded[held_by, columns] = 0.0
    second = padded.max(axis=0)
    holders = np.unique(held_by[first > 0])
    envelopes = np.vstack([first, np.where(held_by == holders[:, None], second, first)])
    critical, reserve, kept = _lines(envelopes, model)
    return _Fits(first, np.minimum(held_by, max(count - 1, 0)), holders, critical, reserve, kept)


def _lines(envelopes: FloatArray, model: Model) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Fit each row, dropping what lies below its line, as long as enough is left; NaN where it never is."""
    inverse = 1 / model.durations
    kept = envelopes > 0
    fitting = _enough(kept, model)
    critical = np.full(fitting.size, np.nan)
    reserve = np.full(fitting.size, np.nan)
    while fitting.any():
        rows = np.flatnonzero(fitting)
        values = envelopes[rows]
        critical[rows], reserve[rows] = _solve(inverse, values, _weights(values, kept[rows], model), model.prior)
        line = critical[rows, None] + reserve[rows, None] * inverse
        above = kept[rows] & (values >= line * (1 - _ROUNDING))
        again = (above.sum(axis=1) < kept[rows].sum(axis=1)) & _enough(above, model)
        kept[rows[again]] = above[again]
        fitting[rows[~again]] = False
    return critical, reserve, kept


def _enough(kept: BoolArray, model: Model) -> BoolArray:
    longest = np.where(kept, model.durations, 0).max(axis=1)
    shortest = np.where(kept, model.durations, np.iinfo(np.int64).max).min(axis=1)
    many = kept.sum(axis=1) >= model.least_points
    long = (longest >= LONGEST_AT_LEAST_SECONDS) & (longest >= model.least_spread * shortest)
    return np.asarray(many & long, dtype=np.bool_)


def _weights(values: FloatArray, kept: BoolArray, model: Model) -> FloatArray:
    if model.prior is None:
        return kept.astype(np.float64)
    share = np.minimum(1.0, model.prior.effective_points / kept.sum(axis=1, keepdims=True))
    errors = model.prior.point_error * np.where(kept, values, 1.0)
    return np.asarray(np.where(kept, share / errors**2, 0.0), dtype=np.float64)


def _solve(
    inverse: FloatArray, values: FloatArray, weights: FloatArray, prior: Prior | None
) -> tuple[FloatArray, FloatArray]:
    """Return critical and reserve of each row by weighted least squares of value = critical + reserve / t.

    A prior is one more equation, reserve − mean · critical = 0, as sure as its spread.
    """
    ones, slopes, squares = weights.sum(axis=1), weights @ inverse, weights @ inverse**2
    level, tilt = (weights * values).sum(axis=1), (weights * values) @ inverse
    if prior is not None:
        lowest = np.where(weights > 0, values, np.inf).min(axis=1)  # near enough to critical for a spread
        sure = 1 / (prior.spread_seconds * lowest) ** 2
        ones = ones + sure * prior.mean_seconds**2
        slopes = slopes - sure * prior.mean_seconds
        squares = squares + sure
    determinant = ones * squares - slopes**2
    return (squares * level - slopes * tilt) / determinant, (ones * tilt - slopes * level) / determinant


def _judge(efforts: _Efforts, fits: _Fits, model: Model, set_aside: tuple[SetAside, ...]) -> Critical | Refused:
    line, name = Line(float(fits.critical[0]), float(fits.reserve[0])), model.quantity.name
    if fits.holders.size < LEAST_ACTIVITIES:
        return Refused(
            f"{name} is not known: {fits.holders.size} activities hold all the best efforts, and from fewer than "
            f"{LEAST_ACTIVITIES} nobody can tell how sure it would be.",
            set_aside,
        )
    error = float(np.hypot(_jackknife(fits.critical[1:]), FIELD_ERROR * line.critical))
    # Written so that a critical value that is not positive, or no number, is refused too.
    if not error <= LARGEST_ERROR * line.critical:
        return Refused(
            f"{name} is not known well enough: {model.quantity.words(line.critical, error)}, and the error may be "
            f"{LARGEST_ERROR:.0%} at most.",
            set_aside,
        )
    lowest, highest = model.reserve_seconds
    if not lowest <= line.reserve / line.critical <= highest:
        return Refused(
            f"{name} is not credible: {model.quantity.reserve_name} is worth {line.reserve / line.critical:.0f} s "
            f"of it, and {lowest:.0f} to {highest:.0f} s are seen. The short efforts were hardly all out.",
            set_aside,
        )
    return Critical(
        quantity=model.quantity,
        line=line,
        critical_error=error,
        reserve_error=_jackknife(fits.reserve[1:]),
        covariance=_covariance(fits.critical[1:], fits.reserve[1:]),
        points=tuple(_points(efforts, fits, model)),
        without={
            efforts.bests[row].activity_id: value
            for row, value in zip(fits.holders.tolist(), fits.critical[1:].tolist(), strict=True)
        },
        set_aside=set_aside,
    )


def _jackknife(without: FloatArray) -> float:
    """Return the standard error that follows from the results without each one."""
    return float(np.sqrt(_covariance(without, without)))


def _covariance(without: FloatArray, others: FloatArray) -> float:
    """Return the covariance that follows from two results without each one."""
    count = without.size
    return float((count - 1) / count * np.sum((without - without.mean()) * (others - others.mean())))


def _points(efforts: _Efforts, fits: _Fits, model: Model) -> list[Point]:
    points = []
    for column in np.flatnonzero(fits.kept[0]).tolist():
        best = efforts.bests[fits.held_by[column]]
        points.append(
            Point(int(model.durations[column]), float(fits.envelope[column]), best.activity_id, best.local_on)
        )
    return points


def _too_little(fits: _Fits, model: Model) -> str:
    known, name = model.durations[fits.envelope > 0], model.quantity.name
    if known.size == 0:
        return f"{name} is not known: no activity of the last {WINDOW_DAYS} days has a best effort of 3 minutes."
    return (
        f"{name} is not known: the best efforts are of {known[0]} to {known[-1]} s, and the line needs "
        f"{LONGEST_AT_LEAST_SECONDS} s."
    )

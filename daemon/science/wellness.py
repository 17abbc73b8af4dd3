"""What an athlete's wellness on a local day does to that day's load: a modifier near 1 that keeps its parts.

The literature steers the next session by heart rate variability and scales no past load by it: so the raw load
stays as it is and the modifier stands beside it. How much each signal may move it is our choice, and a setting.
Nothing is filled in here: a signal with too few readings says so and adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

LOWEST: Final = 0.90
HIGHEST: Final = 1.10

RECENT_DAYS: Final = 7  # d−6 … d
RECENT_READINGS: Final = 3  # three a week tell as much as seven [Plews 2014]
BASELINE_DAYS: Final = 60  # d−66 … d−7
BASELINE_READINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one local day, each None where nothing was measured.

    Heart rate variability as rMSSD in ms, resting heart rate in bpm, sleep in hours.
    """

    rmssd_ms: float | None = None
    resting_hr_bpm: float | None = None
    sleep_hours: float | None = None


_NOTHING: Final = Reading()


@dataclass(frozen=True, slots=True)
class Weights:
    """How far each signal alone may move the modifier, as a share; together at most 0.10."""

    hrv: float = 0.05
    resting_hr: float = 0.03
    sleep: float = 0.02

    def __post_init__(self) -> None:
        """Raise ValueError where a weight is negative or the three could leave 0.90 … 1.10."""
        shares = (self.hrv, self.resting_hr, self.sleep)
        if not (all(share >= 0 for share in shares) and math.fsum(shares) <= HIGHEST - 1 + 1e-12):
            raise ValueError(f"the weights of wellness must be 0 or more and 0.10 together at most, not {shares}")


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal adds to the modifier, and from what.

    `recent_mean` and the baseline are in the signal's own unit (rMSSD as its natural logarithm); `effect` is in
    −1 … 1, positive where the signal is above its baseline. Where there are too few readings, `effect` is None
    and `adds` 0.
    """

    signal: str
    recent_readings: int
    recent_mean: float | None
    baseline_readings: int
    baseline_mean: float | None
    baseline_sd: float | None
    z: float | None
    effect: float | None
    weight: float
    adds: float


@dataclass(frozen=True, slots=True)
class Modifier:
    """What multiplies the loads of a local day, always within 0.90 … 1.10, with all that it was made of."""

    on: date
    value: float
    parts: tuple[Part, ...]

    @property
    def explanation(self) -> str:
        """Tell the modifier and what each signal adds, in sentences."""
        if all(part.effect is None for part in self.parts):
            return "Wellness changes nothing: there are too few readings."
        if not any(part.adds for part in self.parts):
            return "Wellness changes nothing: it is as usual."
        return " ".join([f"Wellness makes it {self.value:.3f} times as much.", *map(_sentence, self.parts)])


@dataclass(frozen=True, slots=True)
class _Signal:
    """How one signal is read: `direction` is the sign with which a value above its baseline moves the load."""

    name: str
    words: str
    read: Callable[[Reading], float | None]
    weigh: Callable[[Weights], float]
    direction: int
    sd_at_least: float
    ignored: float  # in standard deviations: smaller changes are everyday life


def _within(lowest: float, value: float | None, highest: float) -> float | None:
    """Return the value, or None where it is none or no body's: a missing reading often comes as 0."""
    return value if value is not None and lowest <= value <= highest else None


def _log_rmssd(reading: Reading) -> float | None:
    rmssd_ms = _within(1, reading.rmssd_ms, 500)
    return math.log(rmssd_ms) if rmssd_ms is not None else None  # log-normal across days [Plews 2013]


_SIGNALS: Final = (
    _Signal(
        name="hrv",
        words="Heart rate variability",
        read=_log_rmssd,
        weigh=lambda weights: weights.hrv,
        direction=-1,
        sd_at_least=0.05,
        ignored=0.5,  # the smallest worthwhile change [Plews 2013, Vesterinen 2016]
    ),
    _Signal(
        name="resting_hr",
        words="Resting heart rate",
        read=lambda reading: _within(30, reading.resting_hr_bpm, 120),
        weigh=lambda weights: weights.resting_hr,
        direction=1,
        sd_at_least=1.5,
        ignored=1.0,  # [Bosquet 2008]
    ),
    _Signal(
        name="sleep",
        words="Sleep",
        read=lambda reading: _within(0.5, reading.sleep_hours, 24),
        weigh=lambda weights: weights.sleep,
        direction=-1,
        sd_at_least=0.5,
        ignored=1.0,
    ),
)


def modifiers(first_on: date, last_on: date, readings: Mapping[date, Reading], weights: Weights) -> list[Modifier]:
    """Return 1 − w·e(HRV) + w·e(resting HR) − w·e(sleep) of each local day from `first_on` to `last_on`.

    z = (mean of d−6 … d − mean of d−66 … d−7) / sd; e = sign(z) · max(0, |z| − k), clipped to −1 … 1.
    """
    reach = RECENT_DAYS + BASELINE_DAYS
    count = (last_on - first_on).days + 1
    begin = first_on.toordinal() - reach + 1
    known = [readings.get(date.fromordinal(begin + place), _NOTHING) for place in range(reach - 1 + count)]
    columns = [(signal, [signal.read(reading) for reading in known]) for signal in _SIGNALS]
    found = []
    for place in range(count):
        parts = tuple(
            _part(
                signal,
                baseline=_present(values[place : place + BASELINE_DAYS]),
                recent=_present(values[place + BASELINE_DAYS : place + reach]),
                weight=signal.weigh(weights),
            )
            for signal, values in columns
        )
        # The sum of three rounded shares may miss the bound by a rounding error.
        value = min(max(1.0 + math.fsum(part.adds for part in parts), LOWEST), HIGHEST)
        found.append(Modifier(on=first_on + timedelta(days=place), value=value, parts=parts))
    return found


def _present(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _part(signal: _Signal, *, baseline: list[float], recent: list[float], weight: float) -> Part:
    recent_mean = math.fsum(recent) / len(recent) if len(recent) >= RECENT_READINGS else None
    mean = sd = z = effect = None
    if len(baseline) >= BASELINE_READINGS:
        mean = math.fsum(baseline) / len(baseline)
        sd = math.sqrt(math.fsum([(value - mean) ** 2 for value in baseline]) / (len(baseline) - 1))
        if recent_mean is not None:
            z = (recent_mean - mean) / max(sd, signal.sd_at_least)
            size = min(max(abs(z) - signal.ignored, 0.0), 1.0)
            effect = math.copysign(size, z) if size else 0.0
    return Part(
        signal=signal.name,
        recent_readings=len(recent),
        recent_mean=recent_mean,
        baseline_readings=len(baseline),
        baseline_mean=mean,
        baseline_sd=sd,
        z=z,
        effect=effect,
        weight=weight,
        adds=signal.direction * weight * effect if effect else 0.0,
    )


def _sentence(part: Part) -> str:
    words = next(signal.words for signal in _SIGNALS if signal.name == part.signal)
    if part.z is None:
        return f"{words}: too few readings."
    if not part.adds:
        return f"{words} is as usual."
    side = "above" if part.z > 0 else "below"
    return (
        f"{words} of the week is {abs(part.z):.1f} standard deviations {side} that of the two months before: "
        f"{100 * part.adds:+.1f} %."
    )

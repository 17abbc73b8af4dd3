"""How hard an athlete goes, second by second: the plan of a session and how unevenly he follows it.

Efforts are shares of a threshold: critical power on wheels, critical speed on foot. Every draw comes from the
given generator. Refuses sports and athletes: it is told numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sandbox.noise import Array, Mask, Random, flutter, smooth

WARM_SECONDS, BETWEEN_SECONDS = 1_080, 1_500
SHORTFALL = 0.012  # nobody paces perfectly: an all-out effort misses the curve by up to this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What an easy, brisk or hard session means, as ranges of shares of the threshold."""

    steady: tuple[float, float]
    tempo: tuple[float, float]
    threshold: tuple[float, float]
    intervals: tuple[float, float]
    rest: float
    warm: tuple[float, float]


WHEELS = Levels(
    steady=(0.58, 0.72), tempo=(0.8, 0.87), threshold=(0.92, 0.97), intervals=(1.04, 1.08), rest=0.52,
    warm=(0.45, 0.66),
)  # fmt: skip
# Runners vary less than riders: an easy run is three quarters of threshold speed, not three fifths.
FEET = Levels(
    steady=(0.74, 0.83), tempo=(0.87, 0.91), threshold=(0.94, 0.97), intervals=(1.02, 1.05), rest=0.66,
    warm=(0.66, 0.77),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned effort of each second, and where it is all out (first second, one past the last)."""

    effort: Array
    all_out: tuple[tuple[int, int], ...] = ()

    def mask(self) -> Mask:
        """Return True where the athlete goes all out."""
        marked = np.zeros(self.effort.size, dtype=np.bool_)
        for start, end in self.all_out:
            marked[start:end] = True
        return marked


def _blocks(work: tuple[float, float], rest: tuple[float, float], total: float) -> Iterable[tuple[float, float]]:
    left = total
    while left > 0:
        yield from (work, rest)
        left -= work[0] + rest[0]


def plan(random: Random, count: int, shape: str, levels: Levels) -> Plan:
    """Plan a session of one shape: steady, tempo, threshold or intervals, between warm-up and cool-down.

    Hard work stays within what an athlete with a reserve of 50 s at threshold can repeat: 4 minutes at 1.08.
    """
    warm, cool = int(count * 0.15), int(count * 0.1)
    main = count - warm - cool
    if shape == "intervals":
        length = float(random.integers(120, 241))
        blocks = _blocks((length, random.uniform(*levels.intervals)), (length, levels.rest), main)
    elif shape == "threshold":
        blocks = _blocks(
            (float(random.integers(480, 901)), random.uniform(*levels.threshold)), (240, levels.rest), main
        )
    elif shape == "tempo":
        blocks = _blocks(
            (float(random.integers(600, 1201)), random.uniform(*levels.tempo)), (300, levels.rest), main
        )
    else:
        blocks = [(main, random.uniform(*levels.steady))]
    held = np.concatenate([np.full(int(seconds), level) for seconds, level in blocks])[:main]
    easy, eased = levels.warm
    return Plan(smooth(np.concatenate([np.linspace(easy, eased, warm), held, np.linspace(eased, easy, cool)]), 7))


def plan_all_out(
    random: Random, count: int, seconds: Sequence[int], reserve_seconds: float, levels: Levels
) -> Plan:
    """Plan tests or a race: each effort lies on the curve of an athlete with this reserve (W′ / CP), or just under.

    Without lengths there is one effort of two fifths of the session, 30 minutes at most.
    """
    efforts = list(seconds) or [min(1_800, int(count * 0.4))]
    warm = min(WARM_SECONDS, (count - sum(efforts)) // 2)
    easy, eased = levels.warm
    parts, places = [np.linspace(easy, eased, warm)], []
    for number, length in enumerate(efforts):
        if number:
            parts.append(np.full(BETWEEN_SECONDS, levels.rest))
        start = sum(part.size for part in parts)
        level = (1 + reserve_seconds / length) * (1 - random.uniform(0, SHORTFALL))
        parts.append(np.full(length, level))
        places.append((start, start + length))
    left = count - sum(part.size for part in parts)
    parts.append(np.linspace(eased, easy, max(left, 0)))
    return Plan(np.concatenate(parts)[:count], tuple(places))


def follow(random: Random, planned: Plan, unevenness: float, evenness_all_out: float, seconds: int) -> Array:
    """Return the effort as it is really made; all out it is steadier, and in the mean exactly as planned."""
    factor = 1 + flutter(random, planned.effort.size, unevenness, seconds)
    for start, end in planned.all_out:
        calm = flutter(random, end - start, evenness_all_out, 6)
        factor[start:end] = 1 + calm - calm.mean()
    return planned.effort * np.clip(factor, 0.3, 1.7)


def pauses(random: Random, moving_seconds: int, per_hour: float) -> Mask:
    """Return a mask over the elapsed seconds, True while moving: stops of half a minute to five minutes."""
    stops = int(random.poisson(per_hour * moving_seconds / 3600))
    places = np.sort(random.integers(int(moving_seconds * 0.1), max(int(moving_seconds * 0.9), 2), stops))
    lengths = random.integers(30, 301, stops)
    moving = np.ones(moving_seconds + int(lengths.sum()), dtype=np.bool_)
    shift = 0
    for place, length in zip(places.tolist(), lengths.tolist(), strict=True):
        moving[place + shift : place + shift + length] = False
        shift += length
    return moving

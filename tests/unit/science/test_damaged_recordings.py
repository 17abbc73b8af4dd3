"""How far a damaged recording may move a load: a stated bound for each kind of damage and each method.

The bounds are a little above the worst that was measured over these activities and the seeds below. The mean is
far lower: of a recorded ride's dropouts, for one, see `test_recorded_rides`.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pytest

from daemon.science.in_force import Threshold, Thresholds
from daemon.science.load import Load, score
from daemon.science.pace import GradeModel
from daemon.science.statistics import ActivityFacts, summarize
from tests.support.fit import read_fit

ROOT = Path(__file__).resolve().parents[3]
RIDES = ROOT.parent / "shared" / "data" / "rides"
RECORDED = {"ride-edge810-vector": "Ride", "ride-karoo-2025": "Ride", "run-fr955-stryd": "Run"}
SEEDS: Final = range(4)

Streams: TypeAlias = dict[str, list[Any]]
Damage: TypeAlias = Callable[[Streams, random.Random], Streams]

BODY = Thresholds(
    lthr_bpm=Threshold(168.0, "manual", 1),
    max_hr_bpm=Threshold(190.0, "manual", 2),
    resting_hr_bpm=Threshold(50.0, "manual", 3),
    sex="M",
)
ABLE = Thresholds(
    ftp_watts=Threshold(280.0, "manual", 4), critical_speed_m_per_s=Threshold(3.8, "manual", 5), sex="M"
)


def scored(streams: Streams, sport_type: str, thresholds: Thresholds) -> Load:
    seconds = 40_000  # enough for every pause
    facts = ActivityFacts(sport_type, seconds, seconds, 1.0, True, False, None)
    return score(summarize(dict(streams), facts), thresholds, sport_type, GradeModel.STRAVA)


def intervals(sport_type: str, seed: int) -> Streams:
    """Ninety minutes of blocks of 90 s between half and more than the threshold: as uneven as training is."""
    chance = np.random.default_rng(seed)
    blocks = np.repeat(chance.choice([0.5, 0.65, 0.8, 1.0, 1.15], size=60), 90)
    effort = np.convolve(np.pad(blocks, 10, mode="edge"), np.ones(21) / 21, "valid")
    beat, pulse = 80.0, []
    for share in effort.tolist():
        beat += (60 + 105 * min(share, 1.2) - beat) / 40
        pulse.append(round(beat + chance.normal(0, 1)))
    streams: Streams = {"time": list(range(effort.size)), "heartrate": pulse}
    if sport_type == "Ride":
        streams["watts"] = np.clip(np.rint(effort * 270 + chance.normal(0, 40, effort.size)), 0, None).tolist()
    speed = (
        8 + effort
        if sport_type == "Ride"
        else np.clip(effort * 3.7 + chance.normal(0, 0.1, effort.size), 0.5, None)
    )
    distance = np.cumsum(speed)
    streams["velocity_smooth"] = speed.tolist()
    streams["distance"] = distance.tolist()
    streams["altitude"] = (200 + 40 * np.sin(distance / 400)).tolist()
    return streams


@functools.cache
def activities() -> list[tuple[str, str, Streams]]:
    found: list[tuple[str, str, Streams]] = [
        (f"intervals {seed}", sport_type, intervals(sport_type, seed))
        for sport_type, seed in (("Ride", 1), ("Ride", 2), ("Run", 3), ("Run", 4))
    ]
    for name, sport_type in RECORDED.items():
        if RIDES.is_dir():
            found.append((name, sport_type, read_fit(RIDES / f"{name}.fit").streams))  # type: ignore[arg-type]
    return found


def copied(streams: Streams) -> Streams:
    return {key: list(values) for key, values in streams.items()}


def impossible_values(streams: Streams, chance: random.Random) -> Streams:
    """One record in two hundred, in every channel at once."""
    damaged, count = copied(streams), len(streams["time"])
    for place in chance.sample(range(count), count // 200):
        for key, values in (
            ("watts", [2501, 21_733, 65_535]),
            ("heartrate", [0, 29, 255]),
            ("velocity_smooth", [300]),
        ):
            if key in damaged:
                damaged[key][place] = chance.choice(values)
    return damaged


def a_credible_spike(streams: Streams, chance: random.Random) -> Streams:
    """One second that somebody could have ridden or run, in the middle of what nobody did."""
    damaged, place = copied(streams), chance.randrange(len(streams["time"]))
    for key, value in (("watts", 2400), ("heartrate", 239), ("velocity_smooth", 12.4)):
        if key in damaged:
            damaged[key][place] = value
    return damaged


def dropouts(share: float) -> Damage:
    """Silence of 3 to 60 s again and again, in every channel at once, until this share is lost."""

    def damage(streams: Streams, chance: random.Random) -> Streams:
        damaged, count, lost = copied(streams), len(streams["time"]), 0
        while lost < share * count:
            length = chance.randint(3, 60)
            start = chance.randrange(count - length)
            for key in {"watts", "heartrate", "velocity_smooth"} & damaged.keys():
                damaged[key][start : start + length] = [None] * length
            lost += length
        return damaged

    return damage


def three_pauses(streams: Streams, chance: random.Random) -> Streams:
    """Three times the recording stops for 1 to 15 minutes, and goes on where it was."""
    damaged = copied(streams)
    for _ in range(3):
        place = chance.randrange(60, len(streams["time"]) - 60)
        length = chance.randint(61, 900)
        damaged["time"][place:] = [second + length for second in damaged["time"][place:]]
    return damaged


def smart_recording(streams: Streams, chance: random.Random) -> Streams:
    """Only every first to seventh record is kept."""
    kept, last = [0], len(streams["time"]) - 1
    while kept[-1] < last:
        kept.append(min(kept[-1] + chance.choice([1, 2, 2, 3, 4, 5, 6, 7]), last))
    return {key: [values[index] for index in kept] for key, values in streams.items()}


# Per cent of the load, at worst.
BOUNDS: Final[dict[str, tuple[Damage, dict[str, float]]]] = {
    "impossible values in one record of 200": (impossible_values, {"power": 0.2, "pace": 0.1, "heart_rate": 0.1}),
    "one second of 2,400 W, 12.4 m/s and 239 bpm": (
        a_credible_spike,
        {"power": 2.5, "pace": 1.0, "heart_rate": 0.2},
    ),
    "dropouts of 2 %": (dropouts(0.02), {"power": 2.0, "pace": 2.0, "heart_rate": 2.0}),
    "dropouts of 10 %": (dropouts(0.10), {"power": 4.0, "pace": 5.0, "heart_rate": 4.0}),
    "dropouts of 19 %": (dropouts(0.19), {"power": 6.0, "pace": 6.0, "heart_rate": 6.0}),
    "three pauses of 1 to 15 minutes": (three_pauses, {"power": 2.5, "pace": 2.0, "heart_rate": 0.001}),
    "only every first to seventh second recorded": (
        smart_recording,
        {"power": 2.5, "pace": 0.5, "heart_rate": 0.3},
    ),
}


@pytest.mark.parametrize("kind", BOUNDS)
def test_damage_moves_the_load_by_less_than_its_bound(kind: str) -> None:
    damage, bounds = BOUNDS[kind]
    compared = set()
    for name, sport_type, streams in activities():
        damaged = [damage(streams, random.Random(seed)) for seed in SEEDS]
        for thresholds in (ABLE, BODY):
            whole = scored(streams, sport_type, thresholds)
            assert whole.raw is not None
            for seed, recording in zip(SEEDS, damaged, strict=True):
                load = scored(recording, sport_type, thresholds)
                assert load.method == whole.method
                assert load.raw is not None
                moved_percent = 100 * abs(load.raw / whole.raw - 1)
                assert moved_percent <= bounds[load.method], (name, load.method, seed)
                compared.add(load.method)
    assert compared == bounds.keys()


def test_the_documentation_states_these_bounds() -> None:
    rows = [line.strip("| ").split(" | ") for line in (ROOT / "docs/loads.md").read_text().splitlines()]
    stated = {row[0]: [float(cell) for cell in row[1:]] for row in rows if row[0] in BOUNDS}
    assert stated == {
        kind: [bounds[method] for method in ("power", "pace", "heart_rate")] for kind, (_, bounds) in BOUNDS.items()
    }

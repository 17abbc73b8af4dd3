"""Where a session leads: slopes, the speed that a power keeps up on them, positions.

numpy in, numpy out. Refuses athletes and sessions: it is told numbers.
"""

from __future__ import annotations

import numpy as np

from sandbox.noise import Array, Random, coarse_means, spread_out, wander

AIR_DENSITY = 1.2
DRAG_AREA = 0.34
ROLLING = 0.005
BIKE_KG = 9.0
DRIVETRAIN = 0.97
GRAVITY = 9.81
METRES_PER_DEGREE = 111_320.0
STEP_SECONDS = 10
INERTIA_SECONDS = 20
GPS_METRES = 2.0
BAROMETER_METRES = 0.3


def grade(random: Random, count: int, steepness: float) -> Array:
    """Return the slope of the road as a fraction, level in the mean."""
    slope = wander(random, count, steepness, 120)
    level: Array = np.clip(slope - slope.mean(), -0.12, 0.12)
    return level


def riding_speed(power: Array, slope: Array, weight_kg: float) -> Array:
    """Return the speed that a power keeps up against air, rolling and slope; inertia smooths it."""
    watts = coarse_means(power, INERTIA_SECONDS)
    force = (weight_kg + BIKE_KG) * GRAVITY * (ROLLING + coarse_means(slope, INERTIA_SECONDS))
    drag = 0.5 * AIR_DENSITY * DRAG_AREA
    driven = DRIVETRAIN * watts
    speed = np.full(watts.size, 8.0)
    for _ in range(6):  # Newton's steps, from a speed that suits most roads
        square = drag * speed * speed
        speed -= ((square + force) * speed - driven) / np.maximum(3 * square + force, 2.0)
        np.clip(speed, 1.5, 19.0, out=speed)
    return spread_out(speed, INERTIA_SECONDS, power.size)


def altitude(random: Random, climbed: Array) -> Array:
    """Return what a barometer reads over these metres climbed, in its steps of 20 cm."""
    height = random.uniform(60, 700) + np.cumsum(climbed) + wander(random, climbed.size, BAROMETER_METRES, 90)
    read: Array = np.rint(height * 5) / 5
    return read


def loop(random: Random, metres_per_second: Array, latitude: float, longitude: float) -> Array:
    """Return positions (count × 2) of a round course that ends where it began, with a receiver's noise."""
    count = metres_per_second.size
    metres = coarse_means(metres_per_second, STEP_SECONDS) * STEP_SECONDS
    way = np.linspace(0, 1, metres.size)
    round_about = 2 * np.pi * (1 if random.random() < 0.5 else -1)
    heading = way * round_about + random.uniform(0, 2 * np.pi) + wander(random, metres.size, 0.5, 15)
    # Hardly two sessions begin at the same stone.
    latitude, longitude = latitude + random.normal(0, 0.002), longitude + random.normal(0, 0.002)
    metres_per_degree = (METRES_PER_DEGREE, METRES_PER_DEGREE * float(np.cos(np.radians(latitude))))
    noise = random.normal(0, GPS_METRES, (2, metres.size))
    places = np.empty((count, 2))
    for axis, start in enumerate((latitude, longitude)):
        course = np.cumsum(metres * (np.sin(heading) if axis else np.cos(heading)))
        knots = course - way * course[-1] + noise[axis]
        places[:, axis] = start + spread_out(knots / metres_per_degree[axis], STEP_SECONDS, count)
    return np.round(places, 6, out=places)

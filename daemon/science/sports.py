"""Strava's sport types and the family whose formulas each one follows.

An unknown sport is never an error here: Strava adds some every year. It belongs to the family `other`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Family(StrEnum):
    """What shares formulas and thresholds: an FTP belongs to rides, a critical speed to runs and walks."""

    RIDE = "ride"
    RUN = "run"
    WALK = "walk"
    SWIM = "swim"
    OTHER = "other"


# Strava's SportType, https://developers.strava.com/docs/reference/#api-models-SportType, and what came
# after that page: five ball and dance sports in February 2026, PhysicalTherapy in April 2026.
FAMILIES: Final[dict[str, Family]] = {
    "Ride": Family.RIDE,
    "EBikeRide": Family.RIDE,
    "EMountainBikeRide": Family.RIDE,
    "GravelRide": Family.RIDE,
    "Handcycle": Family.RIDE,
    "MountainBikeRide": Family.RIDE,
    "Velomobile": Family.RIDE,
    "VirtualRide": Family.RIDE,
    "Run": Family.RUN,
    "TrailRun": Family.RUN,
    "VirtualRun": Family.RUN,
    "Hike": Family.WALK,
    "Snowshoe": Family.WALK,
    "Walk": Family.WALK,
    "Swim": Family.SWIM,
    "AlpineSki": Family.OTHER,
    "BackcountrySki": Family.OTHER,
    "Badminton": Family.OTHER,
    "Basketball": Family.OTHER,
    "Canoeing": Family.OTHER,
    "Cricket": Family.OTHER,
    "Crossfit": Family.OTHER,
    "Dance": Family.OTHER,
    "Elliptical": Family.OTHER,
    "Golf": Family.OTHER,
    "HighIntensityIntervalTraining": Family.OTHER,
    "IceSkate": Family.OTHER,
    "InlineSkate": Family.OTHER,
    "Kayaking": Family.OTHER,
    "Kitesurf": Family.OTHER,
    "NordicSki": Family.OTHER,
    "Padel": Family.OTHER,
    "PhysicalTherapy": Family.OTHER,
    "Pickleball": Family.OTHER,
    "Pilates": Family.OTHER,
    "Racquetball": Family.OTHER,
    "RockClimbing": Family.OTHER,
    "RollerSki": Family.OTHER,
    "Rowing": Family.OTHER,
    "Sail": Family.OTHER,
    "Skateboard": Family.OTHER,
    "Snowboard": Family.OTHER,
    "Soccer": Family.OTHER,
    "Squash": Family.OTHER,
    "StairStepper": Family.OTHER,
    "StandUpPaddling": Family.OTHER,
    "Surfing": Family.OTHER,
    "TableTennis": Family.OTHER,
    "Tennis": Family.OTHER,
    "VirtualRow": Family.OTHER,
    "Volleyball": Family.OTHER,
    "WeightTraining": Family.OTHER,
    "Wheelchair": Family.OTHER,
    "Windsurf": Family.OTHER,
    "Workout": Family.OTHER,
    "Yoga": Family.OTHER,
}

# Their altitude is drawn by a game, not climbed: a flat treadmill stays flat under it.
INDOOR_SPORTS: Final = frozenset({"VirtualRide", "VirtualRow", "VirtualRun"})


def family_of(sport_type: str) -> Family:
    """Return the family of one of Strava's sport types; `OTHER` for any that is not known."""
    return FAMILIES.get(sport_type, Family.OTHER)

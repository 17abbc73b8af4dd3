"""The load of an hour of each sport, for an activity of which nothing was measured but its length.

An estimate says what such an hour costs a typical amateur, and nothing of this athlete on this day. It refuses
to know families or thresholds: those belong to measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from daemon.science import heart

# What 45 ml/kg/min of oxygen are, the most that a typical amateur takes up; one MET is 3.5 ml/kg/min.
HIGHEST_METS: Final = 45 / 3.5

# Energy costs and their codes from the Compendium of Physical Activities [Ainsworth 2011, Med Sci Sports Exerc
# 43(8)]. Of several codes, the one that says general or moderate; where a sport has none, its nearest kin.
METS: Final[Mapping[str, float]] = {
    "Ride": 8.0,  # 01030, 19–22 km/h
    "EBikeRide": 5.8,  # 01013, an easy ride: the motor does the rest
    "EMountainBikeRide": 6.8,  # 01011
    "GravelRide": 8.0,  # 01030
    "Handcycle": 4.3,  # 02117, arms only
    "MountainBikeRide": 8.5,  # 01009
    "Velomobile": 8.0,  # 01030
    "VirtualRide": 8.5,  # 02019, nobody coasts indoors
    "Run": 9.0,  # 12040, 8.4 km/h
    "TrailRun": 9.0,  # 12140, cross country
    "VirtualRun": 9.0,  # 12040
    "Hike": 6.0,  # 17080
    "Snowshoe": 5.3,  # 19190
    "Walk": 4.3,  # 17200, for exercise, 5.6 km/h
    "Swim": 8.3,  # 18290, crawl at 0.75 m/s
    "AlpineSki": 5.3,  # 19160
    "BackcountrySki": 9.0,  # 19090, most of the time is climbed
    "Badminton": 5.5,  # 15030
    "Basketball": 6.5,  # 15055
    "Canoeing": 5.8,  # 18050
    "Cricket": 4.8,  # 15150
    "Crossfit": 8.0,  # 02040, circuits
    "Dance": 5.0,  # 03010, a class
    "Elliptical": 5.0,  # 02048
    "Golf": 4.8,  # 15255
    "HighIntensityIntervalTraining": 8.0,  # 02040
    "IceSkate": 7.0,  # 19030
    "InlineSkate": 7.5,  # 15591
    "Kayaking": 5.0,  # 18100
    "Kitesurf": 5.0,  # 18380
    "NordicSki": 9.0,  # 19090
    "Padel": 5.5,  # 15030, doubles on a small court
    "PhysicalTherapy": 2.8,  # 02112
    "Pickleball": 5.5,  # 15030, doubles on a small court
    "Pilates": 3.0,  # 02105
    "Racquetball": 7.0,  # 15530
    "RockClimbing": 5.8,  # 15537
    "RollerSki": 9.0,  # 19090: the code of its own is for the elite
    "Rowing": 7.0,  # 02072
    "Sail": 3.0,  # 18120
    "Skateboard": 5.0,  # 15580
    "Snowboard": 5.3,  # 19160
    "Soccer": 7.0,  # 15610
    "Squash": 7.3,  # 15652
    "StairStepper": 9.0,  # 02065
    "StandUpPaddling": 6.0,  # 18225
    "Surfing": 3.0,  # 18220
    "TableTennis": 4.0,  # 15660
    "Tennis": 7.3,  # 15675
    "VirtualRow": 7.0,  # 02072
    "Volleyball": 4.0,  # 15720
    "WeightTraining": 5.0,  # 02052
    "Wheelchair": 4.3,  # 02117
    "Windsurf": 5.0,  # 18380
    "Workout": 5.5,  # 02060
    "Yoga": 2.5,  # 02150
}
UNKNOWN_SPORT_METS: Final = 5.5  # 02060, exercise in general

# The share of the oxygen uptake reserve that is used is that of the heart rate reserve [Swain 1997, Med Sci
# Sports Exerc 29(3)], so METs stand where beats stand and an estimate lands on the scale of heart rate.
_RESERVE: Final = heart.Reserve(resting_bpm=1.0, max_bpm=HIGHEST_METS, exponents=heart.Exponents.MEN)
_THRESHOLD_METS: Final = 1.0 + heart.DEFAULT_LTHR_SHARE * (HIGHEST_METS - 1.0)


def mets(sport_type: str) -> float:
    """Return the energy cost of one of Strava's sport types, as a multiple of rest; any other is exercise."""
    return METS.get(sport_type, UNKNOWN_SPORT_METS)


def load_per_hour(sport_type: str) -> float:
    """Return the load of a typical hour: what heart rate would make of that oxygen uptake."""
    hour = 60 * float(_RESERVE.per_minute(np.array([mets(sport_type)]))[0])
    return 100 * hour / heart.threshold_hour(_THRESHOLD_METS, _RESERVE)

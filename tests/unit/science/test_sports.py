"""Sport types and their families."""

from __future__ import annotations

import pytest

from daemon.science.sports import FAMILIES, INDOOR_SPORTS, Family, family_of

# https://developers.strava.com/docs/reference/#api-models-SportType
DOCUMENTED = (
    "AlpineSki BackcountrySki Badminton Canoeing Crossfit EBikeRide Elliptical EMountainBikeRide Golf "
    "GravelRide Handcycle HighIntensityIntervalTraining Hike IceSkate InlineSkate Kayaking Kitesurf "
    "MountainBikeRide NordicSki Pickleball Pilates Racquetball Ride RockClimbing RollerSki Rowing Run Sail "
    "Skateboard Snowboard Snowshoe Soccer Squash StairStepper StandUpPaddling Surfing Swim TableTennis Tennis "
    "TrailRun Velomobile VirtualRide VirtualRow VirtualRun Walk WeightTraining Wheelchair Windsurf Workout Yoga"
)


def test_every_documented_sport_is_placed_deliberately() -> None:
    assert set(DOCUMENTED.split()) <= set(FAMILIES)


@pytest.mark.parametrize(
    ("family", "sports"),
    [
        (Family.RIDE, "Ride VirtualRide GravelRide MountainBikeRide EBikeRide EMountainBikeRide"),
        (Family.RUN, "Run TrailRun VirtualRun"),
        (Family.WALK, "Walk Hike Snowshoe"),
        (Family.SWIM, "Swim"),
        (Family.OTHER, "Rowing NordicSki WeightTraining Padel"),
    ],
)
def test_a_variant_follows_the_formulas_of_its_family(family: Family, sports: str) -> None:
    assert {family_of(sport) for sport in sports.split()} == {family}


def test_a_sport_that_nobody_knows_yet_is_no_error() -> None:
    assert family_of("UnderwaterHockey2031") is Family.OTHER
    assert family_of("") is Family.OTHER


def test_every_indoor_sport_is_a_known_sport() -> None:
    assert set(FAMILIES) >= INDOOR_SPORTS

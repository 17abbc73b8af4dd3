"""What athletes call their sessions: now what Strava proposes, now what was done, now what it felt like.

Refuses randomness of its own: the session's seed picks.
"""

from __future__ import annotations

from collections.abc import Sequence

SPOKEN_SPORT = {
    "Ride": "Ride", "GravelRide": "Gravel Ride", "MountainBikeRide": "Mountain Bike Ride", "VirtualRide": "Turbo",
    "Run": "Run", "TrailRun": "Trail Run", "Swim": "Swim", "WeightTraining": "Strength", "Yoga": "Yoga",
    "Workout": "Core", "Walk": "Walk", "Hike": "Hike",
}  # fmt: skip
STEADY: dict[str, tuple[str, ...]] = {
    "ride": ("Endurance spin", "Coffee ride", "Back roads", "Zone 2", "With the club"),
    "ride_estimated": ("Commute", "Commute the long way", "To the market and back"),
    "indoor": ("Easy spin on the turbo", "Zone 2 indoors", "Rain outside"),
    "run": ("Easy miles", "Recovery run", "Along the river", "Aerobic run"),
    "swim": ("Lengths", "Technique and drills", "Endurance swim"),
    "strength": ("Gym", "Strength", "Squats and planks"),
    "manual": ("Forgot the watch", "Rode with the kids"),
    "walk": ("Walk with the dog", "Evening walk"),
    "hike": ("Up to the hut", "Ridge walk"),
}
HARDER: dict[str, tuple[str, ...]] = {
    "tempo": ("Tempo blocks", "Sweet spot", "Steady state"),
    "threshold": ("Threshold", "Over and back at threshold", "Cruise intervals"),
    "intervals": ("VO2 intervals", "Intervals", "Short and sharp"),
}
LONG_SECONDS = {"ride": 3 * 3600, "run": 90 * 60}


def _part_of_day(hour: float) -> str:
    for before, name in ((11, "Morning"), (14, "Lunch"), (17, "Afternoon"), (21, "Evening")):
        if hour < before:
            return name
    return "Night"


def _all_out(taste: str, efforts: Sequence[int]) -> str:
    if taste == "swim":
        return "CSS test: 400 and 200"
    if len(efforts) > 1:
        minutes = " + ".join(str(round(seconds / 60)) for seconds in efforts)
        return f"{minutes} min test"
    if taste == "run":
        return "Race: 10 km" if efforts and efforts[0] > 2_000 else "Race: 5 miles"
    return "Time trial" if taste == "ride" else "Virtual race"


def title(
    taste: str, sport_type: str, shape: str, hour: float, efforts: Sequence[int], seconds: int, seed: int
) -> str:
    """Return the title of a session; `hour` is local."""
    pick = seed >> 8
    if shape == "all_out":
        return _all_out(taste, efforts)
    if shape in HARDER:
        words = HARDER[shape]
        return f"{SPOKEN_SPORT[sport_type]}: {words[pick % len(words)].lower()}"
    if seconds >= LONG_SECONDS.get(taste, 10**6):
        return f"Long {SPOKEN_SPORT[sport_type].lower()}"
    if pick % 2:
        return f"{_part_of_day(hour)} {SPOKEN_SPORT[sport_type]}"
    words = STEADY[taste]
    return words[pick // 2 % len(words)]

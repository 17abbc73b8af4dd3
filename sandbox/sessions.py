"""What an invented athlete can do: the recipe of an activity, and the words for kinds and shapes.

The same session is the same recording, to the last value. Refuses to draw: `drawing` does, when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.world import Body, Home

KINDS = ("ride", "ride_estimated", "ride_meterless", "indoor", "run", "swim", "strength", "manual")
SHAPES = ("steady", "tempo", "threshold", "intervals", "all_out")

# Which kind stands for a sport type that is asked for by name.
KIND_OF_SPORT = {
    "Ride": "ride", "GravelRide": "ride", "MountainBikeRide": "ride", "VirtualRide": "indoor",
    "EBikeRide": "ride_estimated", "Run": "run", "TrailRun": "run", "VirtualRun": "run", "Walk": "run",
    "Hike": "run", "Swim": "swim",
}  # fmt: skip
SPORT_OF_KIND = {
    "ride": "Ride", "ride_estimated": "Ride", "ride_meterless": "Ride", "indoor": "Ride", "run": "Run",
    "swim": "Swim", "strength": "WeightTraining", "manual": "Ride",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The recipe of one activity; `shape` is the plan of its effort, `body` the athlete's on that day.

    `all_out_seconds` are the lengths of the efforts of an all-out session. A ride without a meter has estimated
    watts; the plainest of them, `ride_estimated`, has no heart rate either.
    """

    seed: int
    kind: str
    sport_type: str
    shape: str
    name: str
    start_at: int
    moving_seconds: int
    body: Body
    home: Home
    all_out_seconds: tuple[int, ...] = ()
    strap: bool = True
    corruption: str | None = None

"""What an invented athlete can do: the recipe of an activity, and the words for kinds and shapes.

The same session is the same recording, to the last value. Refuses to draw: `drawing` does, when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.recording import Recording
from sandbox.world import Body, Home

KINDS = ("ride", "ride_estimated", "indoor", "run", "swim", "strength", "manual")
SHAPES = ("steady", "tempo", "threshold", "intervals")

# Which kind stands for a sport type that is asked for by name.
KIND_OF_SPORT = {
    "Ride": "ride", "GravelRide": "ride", "MountainBikeRide": "ride", "VirtualRide": "indoor",
    "EBikeRide": "ride_estimated", "Run": "run", "TrailRun": "run", "VirtualRun": "run", "Walk": "run",
    "Hike": "run", "Swim": "swim",
}  # fmt: skip
SPORT_OF_KIND = {
    "ride": "Ride", "ride_estimated": "Ride", "indoor": "Ride", "run": "Run", "swim": "Swim",
    "strength": "WeightTraining", "manual": "Ride",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The recipe of one activity; `shape` is the plan of its effort."""

    seed: int
    kind: str
    sport_type: str
    shape: str
    name: str
    start_at: int
    moving_seconds: int
    body: Body
    home: Home


def perform(session: Session) -> Recording:
    """Draw a session."""
    # Imported here: numpy takes a quarter of a second, and a start should not wait for the first drawing.
    from sandbox.drawing import draw  # noqa: PLC0415

    return draw(session)

"""A folder of real rides, each served as one activity of one athlete.

FIT files and Strava activities saved as {"activity": …, "streams": …}. Refuses to fail on a broken file: it is
listed with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from sandbox.fit import Device, UnreadableRide, read_fit
from sandbox.recording import STREAM_KEYS, Recording, Zone

# Keys that old exports carry and today's API does not.
DROPPED_KEYS = ("start_latitude", "start_longitude")
NEEDED_KEYS = ("id", "athlete", "start_date", "elapsed_time", "type")
FIRST_RIDE_ID = 2**40
FIRST_RIDE_ATHLETE_ID = 2**36


@dataclass(frozen=True, slots=True)
class Ride:
    """One file of the folder; `recording` is None where `reason` says why."""

    file: str
    activity_id: int
    athlete_id: int
    recording: Recording | None
    detail: dict[str, Any] = field(default_factory=dict)
    device: Device = field(default_factory=Device)
    notes: tuple[str, ...] = ()
    reason: str | None = None

    def report(self) -> dict[str, Any]:
        """Return the ride as `GET /sandbox/rides` shows it."""
        if self.recording is None:
            return {"file": self.file, "reason": self.reason}
        return {
            "file": self.file,
            "activity_id": self.activity_id,
            "athlete_id": self.athlete_id,
            "sport_type": self.recording.sport_type,
            "points": len(self.recording.streams.get("time", ())),
            **asdict(self.device),
            "notes": list(self.notes),
        }


def _hashed(path: Path, first: int) -> int:
    """Return an id that follows from the file's name alone, beyond 32 bits and within 53."""
    digest = hashlib.blake2b(path.name.encode(), digest_size=8).digest()
    return first + int.from_bytes(digest) % first


def _from_fit(path: Path) -> Ride:
    ride = read_fit(path)
    return Ride(
        file=path.name,
        activity_id=_hashed(path, FIRST_RIDE_ID),
        athlete_id=_hashed(path, FIRST_RIDE_ATHLETE_ID),
        recording=ride.recording,
        device=ride.device,
        notes=ride.notes,
    )


def _from_json(path: Path) -> Ride:
    try:
        saved = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UnreadableRide(f"not JSON: {error}") from error
    activity = saved.get("activity") if isinstance(saved, dict) else None
    if not isinstance(activity, dict):
        raise UnreadableRide('not a Strava activity: no "activity" in it')
    missing = [key for key in NEEDED_KEYS if key not in activity]
    if missing:
        raise UnreadableRide(f"its activity has no {', '.join(missing)}")
    streams = saved.get("streams") or {}
    dropped = sorted(set(streams) - set(STREAM_KEYS))
    detail = {key: value for key, value in activity.items() if key not in DROPPED_KEYS}
    detail.setdefault("sport_type", activity["type"])
    offset = round(activity.get("utc_offset") or 0)
    return Ride(
        file=path.name,
        activity_id=int(activity["id"]),
        athlete_id=int(activity["athlete"]["id"]),
        recording=Recording(
            name=str(activity.get("name") or path.stem),
            sport_type=detail["sport_type"],
            start_at=int(datetime.fromisoformat(activity["start_date"]).timestamp()),
            zone=Zone(activity.get("timezone") or Zone.fixed(offset).label, offset),
            elapsed_seconds=int(activity["elapsed_time"]),
            moving_seconds=int(activity.get("moving_time") or activity["elapsed_time"]),
            distance_metres=float(activity.get("distance") or 0.0),
            streams={key: streams[key] for key in STREAM_KEYS if key in streams},
            device_watts=bool(activity.get("device_watts")),
            trainer=bool(activity.get("trainer")),
        ),
        detail=detail,
        notes=(f"not served, no key of the API: {', '.join(dropped)}",) if dropped else (),
    )


READERS = {".fit": _from_fit, ".json": _from_json}


def read_rides(folder: Path) -> Iterator[Ride]:
    """Read every ride of a folder in order of name; other files are passed over."""
    for path in sorted(folder.iterdir()):
        reader = READERS.get(path.suffix.lower())
        if reader is None or not path.is_file():
            continue
        try:
            yield reader(path)
        except UnreadableRide as error:
            yield Ride(path.name, 0, 0, None, reason=str(error))
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            yield Ride(path.name, 0, 0, None, reason=f"{type(error).__name__}: {error}")

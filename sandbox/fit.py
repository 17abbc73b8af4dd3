"""FIT files read into recordings, as Strava would read an upload: nothing is repaired.

Spikes, clock jumps and gaps stay as recorded; a value the device did not write is None. Refuses checksums
(devices get them wrong) and everything but the first session of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.recording import Recording, Zone

Fields = Mapping[str, Any]

DEGREES_PER_SEMICIRCLE = 180 / 2**31
MOVING_METRES_PER_SECOND = 0.5
HEARD = frozenset(
    {"file_id", "session", "record", "activity", "device_info", "user_profile", "zones_target"}
)  # a file holds dozens of other messages that nothing here reads

SPORTS = {
    "cycling": "Ride",
    "e_biking": "EBikeRide",
    "running": "Run",
    "swimming": "Swim",
    "walking": "Walk",
    "hiking": "Hike",
    "rowing": "Rowing",
    "alpine_skiing": "AlpineSki",
    "cross_country_skiing": "NordicSki",
    "training": "Workout",
    "fitness_equipment": "Workout",
}
SUB_SPORTS = {
    "mountain": "MountainBikeRide",
    "gravel_cycling": "GravelRide",
    "trail": "TrailRun",
    "virtual_activity": "VirtualRide",
    "strength_training": "WeightTraining",
    "yoga": "Yoga",
}
INDOORS = frozenset({"indoor_cycling", "spin", "treadmill", "indoor_running", "lap_swimming", "virtual_activity"})


class UnreadableRide(Exception):
    """The file holds no activity; the message is a sentence for its owner."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the device itself wrote about ride and rider, None where it did not."""

    normalized_power: float | None = None
    training_stress_score: float | None = None
    threshold_power: float | None = None
    functional_threshold_power: float | None = None
    threshold_heart_rate: float | None = None
    max_heart_rate: float | None = None
    resting_heart_rate: float | None = None
    weight_kg: float | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class FitRide:
    """One readable file."""

    recording: Recording
    device: Device
    notes: tuple[str, ...]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _first(fields: Fields, *names: str) -> float | None:
    for name in names:
        value = _number(fields.get(name))
        if value is not None:
            return value
    return None


def _messages(path: Path) -> tuple[dict[str, list[Fields]], list[str]]:
    """Return the messages by name, and what went wrong after the last of them."""
    # Imported here: a sandbox without --rides needs no FIT decoder, neither installed nor loaded.
    import fitdecode  # noqa: PLC0415

    heard: dict[str, list[Fields]] = {name: [] for name in HEARD}
    try:
        with fitdecode.FitReader(
            str(path), check_crc=fitdecode.CrcCheck.DISABLED, error_handling=fitdecode.ErrorHandling.IGNORE
        ) as reader:
            for frame in reader:
                if isinstance(frame, fitdecode.FitDataMessage) and frame.name in HEARD:
                    heard[frame.name].append({field.name: field.value for field in frame.fields})
    except Exception as error:  # a broken file may break the decoder anywhere
        problem = f"{type(error).__name__}: {error}"
        if not heard["record"]:
            raise UnreadableRide(problem) from error
        return heard, [f"stopped reading at {problem}"]
    return heard, []


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _rounded(digits: int) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else round(value, digits)


def _channels(records: Sequence[Fields]) -> dict[str, list[Any]]:
    # A running power meter writes a developer field; Strava takes it for watts where there are no others.
    watts = "power" if any(_number(record.get("power")) is not None for record in records) else "Power"
    read: dict[str, tuple[tuple[str, ...], Callable[[float | None], Any]]] = {
        "distance": (("distance",), _rounded(1)),
        "altitude": (("enhanced_altitude", "altitude"), _rounded(1)),
        "velocity_smooth": (("enhanced_speed", "speed"), _rounded(3)),
        "heartrate": (("heart_rate",), _whole),
        "cadence": (("cadence",), _whole),
        "watts": ((watts,), _whole),
        "temp": (("temperature",), _whole),
        "grade_smooth": (("grade",), _rounded(1)),
    }
    return {key: [shape(_first(record, *names)) for record in records] for key, (names, shape) in read.items()}


def _position(record: Fields) -> list[float] | None:
    latitude, longitude = _number(record.get("position_lat")), _number(record.get("position_long"))
    if latitude is None or longitude is None:
        return None
    return [round(latitude * DEGREES_PER_SEMICIRCLE, 6), round(longitude * DEGREES_PER_SEMICIRCLE, 6)]


def _streams(records: Sequence[Fields], start_at: int) -> dict[str, list[Any]]:
    timed = [record for record in records if isinstance(record.get("timestamp"), datetime)]
    if not timed:
        return {}
    streams = _channels(timed)
    streams["latlng"] = [_position(record) for record in timed]
    kept = {key: values for key, values in streams.items() if any(value is not None for value in values)}
    speeds = kept.get("velocity_smooth")
    kept["moving"] = [speed is None or speed > MOVING_METRES_PER_SECOND for speed in speeds or [None] * len(timed)]
    kept["time"] = [int(record["timestamp"].timestamp()) - start_at for record in timed]
    return kept


def _sport(session: Fields) -> tuple[str, bool]:
    sport, sub_sport = str(session.get("sport")), str(session.get("sub_sport"))
    if sport == "running" and sub_sport == "virtual_activity":
        return "VirtualRun", True
    return SUB_SPORTS.get(sub_sport) or SPORTS.get(sport, "Workout"), sub_sport in INDOORS


def _zone(activity: Fields, session: Fields) -> Zone:
    local, told = activity.get("local_timestamp"), activity.get("timestamp")
    if isinstance(local, datetime) and isinstance(told, datetime):
        return Zone.fixed(round((local.timestamp() - told.timestamp()) / 3600) * 3600)
    longitude = _number(session.get("start_position_long"))
    # Without a local time the sun's own zone is the best guess.
    return Zone.fixed(round((longitude or 0.0) * DEGREES_PER_SEMICIRCLE / 15) * 3600)


def _device(session: Fields, zones: Fields, profile: Fields) -> Device:
    return Device(
        normalized_power=_number(session.get("normalized_power")),
        training_stress_score=_number(session.get("training_stress_score")),
        threshold_power=_number(session.get("threshold_power")),
        functional_threshold_power=_number(zones.get("functional_threshold_power")),
        threshold_heart_rate=_number(zones.get("threshold_heart_rate")),
        max_heart_rate=_number(zones.get("max_heart_rate")),
        resting_heart_rate=_number(profile.get("resting_heart_rate")),
        weight_kg=_number(profile.get("weight")),
        sex={"male": "M", "female": "F"}.get(str(profile.get("gender"))),
    )


def _device_name(heard: Mapping[str, list[Fields]]) -> str | None:
    for fields in (*heard["file_id"], *heard["device_info"]):
        for name in ("product_name", "garmin_product", "product"):
            if fields.get(name) is not None:
                return f"{fields.get('manufacturer') or ''} {fields[name]}".strip()
    return None


def _session(heard: Mapping[str, list[Fields]]) -> tuple[Fields, list[str]]:
    if heard["session"]:
        count = len(heard["session"])
        return heard["session"][0], [f"{count} sessions, the first is served"] if count > 1 else []
    instants = [record["timestamp"] for record in heard["record"] if isinstance(record.get("timestamp"), datetime)]
    if not instants:
        raise UnreadableRide("neither a session nor a record in it: not a FIT activity")
    elapsed = (instants[-1] - instants[0]).total_seconds()
    return {"start_time": instants[0], "total_elapsed_time": elapsed}, ["no session: told from its records"]


def read_fit(path: Path) -> FitRide:
    """Read one FIT file. Raises UnreadableRide with the reason."""
    heard, problems = _messages(path)
    session, notes = _session(heard)
    started = session.get("start_time")
    if not isinstance(started, datetime):
        raise UnreadableRide("its session has no start time")
    start_at = int(started.timestamp())
    activity, zones, profile = (
        heard[name][0] if heard[name] else {} for name in ("activity", "zones_target", "user_profile")
    )
    sport_type, trainer = _sport(session)
    elapsed = _first(session, "total_elapsed_time") or 0.0
    streams = _streams(heard["record"], start_at)
    covered = [metres for metres in streams.get("distance", ()) if metres is not None]
    recording = Recording(
        name=path.stem.replace("-", " ").replace("_", " ").capitalize(),
        sport_type=sport_type,
        start_at=start_at,
        zone=_zone(activity, session),
        elapsed_seconds=round(elapsed),
        moving_seconds=round(_first(session, "total_timer_time") or elapsed),
        distance_metres=_first(session, "total_distance") or (covered[-1] if covered else 0.0),
        ascent_metres=_first(session, "total_ascent") or 0.0,
        calories=_first(session, "total_calories"),
        streams=streams,
        trainer=trainer,
        device_name=_device_name(heard),
    )
    return FitRide(recording, _device(session, zones, profile), (*problems, *notes))

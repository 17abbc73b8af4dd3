"""An activity as Strava writes it: detail, list item, streams.

Shapes follow traffic recorded in October 2025 and the published API description. Refuses to store anything and
to decide who may see what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sandbox import polyline
from sandbox.recording import STREAM_KEYS, Channels, Recording, Streams, known
from sandbox.splits import METRES_PER_KILOMETRE, METRES_PER_MILE, splits

Json = dict[str, Any]

SUMMARY_KEYS = (
    "resource_state", "athlete", "name", "distance", "moving_time", "elapsed_time", "total_elevation_gain",
    "type", "sport_type", "workout_type", "id", "start_date", "start_date_local", "timezone", "utc_offset",
    "location_city", "location_state", "location_country", "achievement_count", "kudos_count", "comment_count",
    "athlete_count", "photo_count", "map", "trainer", "commute", "manual", "private", "visibility", "flagged",
    "gear_id", "start_latlng", "end_latlng", "average_speed", "max_speed", "average_cadence", "average_watts",
    "max_watts", "weighted_average_watts", "kilojoules", "device_watts", "average_temp", "has_heartrate",
    "average_heartrate", "max_heartrate", "heartrate_opt_out", "display_hide_heartrate_option", "elev_high",
    "elev_low", "upload_id", "upload_id_str", "external_id", "from_accepted_tag", "pr_count",
    "total_photo_count", "has_kudoed", "suffer_score",
)  # fmt: skip

NO_PLACE: Mapping[str, None] = dict.fromkeys(("location_city", "location_state", "location_country"))
NO_FAME: Mapping[str, int] = dict.fromkeys(
    ("achievement_count", "kudos_count", "comment_count", "photo_count", "pr_count", "total_photo_count"), 0
)
WEIGHTED_SECONDS = 25
STATISTICS_SHOWN = ("heart_rate", "pace", "power", "speed", "calories")


def iso(at: float) -> str:
    """Write an instant as Strava does, whole seconds and a Z."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _power(recording: Recording) -> Json:
    watts = known(recording.streams, "watts")
    if not watts.size:
        return {}
    average = float(watts.mean())
    shown: Json = {
        "average_watts": round(average, 1),
        "kilojoules": round(average * recording.moving_seconds / 1000, 1),
        "device_watts": recording.device_watts,
    }
    if recording.device_watts:
        # Strava's weighted average is its own smoothing, near normalized power and never equal to it.
        sums = np.concatenate([[0.0], np.cumsum(watts)])
        width = min(WEIGHTED_SECONDS, watts.size)
        smoothed = (sums[width:] - sums[:-width]) / width
        shown["max_watts"] = int(watts.max())
        shown["weighted_average_watts"] = round(float(np.square(np.square(smoothed)).mean()) ** 0.25)
    return shown


def _heart(recording: Recording) -> Json:
    beats = known(recording.streams, "heartrate")
    shown: Json = {
        "has_heartrate": bool(beats.size),
        "heartrate_opt_out": False,
        "display_hide_heartrate_option": bool(beats.size),
    }
    if beats.size:
        shown["average_heartrate"] = round(float(beats.mean()), 1)
        shown["max_heartrate"] = float(beats.max())
        strain = float(np.square(np.maximum(beats - 100, 0)).mean()) / 2500
        shown["suffer_score"] = float(round(strain * recording.moving_seconds / 60))
    return shown


def _motion(recording: Recording) -> Json:
    streams = recording.streams
    speed = known(streams, "velocity_smooth")
    moving = max(recording.moving_seconds, 1)
    shown: Json = {
        "average_speed": round(recording.distance_metres / moving, 3),
        "max_speed": round(float(speed.max()), 3) if speed.size else 0,
    }
    for key, name in (("cadence", "average_cadence"), ("temp", "average_temp")):
        values = known(streams, key)
        if values.size:
            mean = float(values.mean())
            shown[name] = round(mean, 1) if key == "cadence" else round(mean)
    altitude = known(streams, "altitude")
    if altitude.size:
        shown |= {"elev_high": round(float(altitude.max()), 1), "elev_low": round(float(altitude.min()), 1)}
    return shown


def _points(streams: Streams) -> polyline.Points:
    if isinstance(streams, Channels):
        return streams.arrays.get("latlng", np.zeros((0, 2)))
    return [point for point in streams.get("latlng", ()) if point is not None]


def _place(activity_id: int, recording: Recording, *, whole: bool) -> Json:
    points = _points(recording.streams)
    track = {"polyline": polyline.encode(points, 1000)} if whole else {}
    track["summary_polyline"] = polyline.encode(points, 100)
    ends = (points[0], points[-1]) if len(points) else ((), ())
    return {
        "map": {"id": f"a{activity_id}", **track, "resource_state": 3 if whole else 2},
        "start_latlng": [float(degrees) for degrees in ends[0]],
        "end_latlng": [float(degrees) for degrees in ends[1]],
    }


def _upload(activity_id: int, recording: Recording) -> Json:
    if recording.manual:
        return {"upload_id": None, "external_id": None}
    upload_id = activity_id + 1_084_000_000
    return {
        "upload_id": upload_id,
        "upload_id_str": str(upload_id),
        "external_id": f"garmin_ping_{activity_id * 31}",
    }


def _lap(activity_id: int, athlete_id: int, detail: Json, points: int) -> Json:
    copied = (
        "elapsed_time", "moving_time", "start_date", "start_date_local", "distance", "average_speed", "max_speed",
        "total_elevation_gain", "average_cadence", "device_watts", "average_watts", "average_heartrate",
        "max_heartrate",
    )  # fmt: skip
    return {
        "id": activity_id * 3 + 1,
        "resource_state": 2,
        "name": "Lap 1",
        "activity": {"id": activity_id, "visibility": detail["visibility"], "resource_state": 1},
        "athlete": {"id": athlete_id, "resource_state": 1},
        **{key: detail[key] for key in copied if key in detail},
        "lap_index": 1,
        "split": 1,
        "start_index": 0,
        "end_index": max(points - 1, 0),
    }


def _zones_held(detail: Json) -> list[str]:
    held = ("heartrate", "average_heartrate"), ("power", "average_watts")
    return [zone for zone, key in held if key in detail]


def _item(activity_id: int, athlete_id: int, recording: Recording, *, whole: bool) -> Json:
    """Return what list item and detail share, in Strava's order of keys."""
    return {
        "resource_state": 3 if whole else 2,
        "athlete": {"id": athlete_id, "resource_state": 1},
        "name": recording.name,
        "distance": round(float(recording.distance_metres), 1),
        "moving_time": recording.moving_seconds,
        "elapsed_time": recording.elapsed_seconds,
        "total_elevation_gain": round(float(recording.ascent_metres), 1),
        "type": recording.older_type,
        "sport_type": recording.sport_type,
        **({"workout_type": None} if recording.older_type in {"Ride", "Run"} else {}),
        "id": activity_id,
        "start_date": iso(recording.start_at),
        # its Z is false: this is the local wall clock
        "start_date_local": iso(recording.start_at + recording.zone.utc_offset_seconds),
        "timezone": recording.zone.label,
        "utc_offset": float(recording.zone.utc_offset_seconds),
        **NO_PLACE,
        **NO_FAME,
        "athlete_count": 1,
        **_place(activity_id, recording, whole=whole),
        "trainer": recording.trainer,
        "commute": False,
        "manual": recording.manual,
        "private": False,
        "visibility": "everyone",
        "flagged": False,
        "gear_id": None,
        **_motion(recording),
        **_power(recording),
        **_heart(recording),
        **_upload(activity_id, recording),
        "from_accepted_tag": False,
        "has_kudoed": False,
    }


def detail_of(activity_id: int, athlete_id: int, recording: Recording) -> Json:
    """Return the answer of `GET /activities/{id}` for a public activity."""
    detail = _item(activity_id, athlete_id, recording, whole=True) | {
        "description": None,
        "calories": float(round(recording.calories)) if recording.calories is not None else 0.0,
        "perceived_exertion": None,
        "prefer_perceived_exertion": None,
        "segment_efforts": [],
    }
    if recording.older_type == "Run" and not recording.manual:
        detail["splits_metric"] = splits(recording.streams, METRES_PER_KILOMETRE)
        detail["splits_standard"] = splits(recording.streams, METRES_PER_MILE)
    detail["laps"] = [_lap(activity_id, athlete_id, detail, len(recording.streams.get("time", ())))]
    detail["photos"] = {"primary": None, "count": 0}
    detail["stats_visibility"] = [{"type": name, "visibility": "everyone"} for name in STATISTICS_SHOWN]
    detail["hide_from_home"] = False
    if recording.device_name is not None:
        detail["device_name"] = recording.device_name
    detail["embed_token"] = hashlib.blake2b(f"embed/{activity_id}".encode(), digest_size=20).hexdigest()
    detail["available_zones"] = _zones_held(detail)
    return detail


def item_of(activity_id: int, athlete_id: int, recording: Recording) -> Json:
    """Return an unedited activity as the list shows it: the same numbers as its detail, from the same draw."""
    return _item(activity_id, athlete_id, recording, whole=False)


def summary_of(detail: Json) -> Json:
    """Return a detail as the list shows it: fewer keys, a coarse map, no perceived exertion."""
    summary = {key: detail[key] for key in SUMMARY_KEYS if key in detail}
    chart = detail["map"]
    summary["resource_state"] = 2
    summary["map"] = {"id": chart["id"], "summary_polyline": chart["summary_polyline"], "resource_state": 2}
    return summary


def _stream(data: Sequence[Any], series: str) -> Json:
    return {"data": data, "series_type": series, "original_size": len(data), "resolution": "high"}


def streams_of(streams: Streams, keys: Collection[str], *, key_by_type: bool) -> Json | list[Json]:
    """Return the asked streams; `distance` comes unasked where there is one, a missing channel is left out."""
    series = "distance" if "distance" in streams else "time"
    asked = [key for key in STREAM_KEYS if key in streams and (key in keys or key == series == "distance")]
    shown = {key: _stream(streams[key], series) for key in asked}
    if key_by_type:
        return shown
    return [{"type": key, **stream} for key, stream in shown.items()]

"""Reads the streams of an activity: arrays of one value per recorded sample.

It refuses to clean: nulls, spikes and pauses pass as they came, for science to judge. The client does not even
parse (a ride is a megabyte of JSON): it hands on the bytes and another process calls `parse_streams`.
"""

from __future__ import annotations

import math
from types import NoneType
from typing import TypeAlias

from daemon.core.errors import Permanent, Retryable
from daemon.strava.wire.fields import NoJsonError, load_json, refusal

Samples: TypeAlias = list[float | None] | list[bool | None]

# Position (latlng) is left out on purpose: no load needs it, so it need not leave Strava.
# https://developers.strava.com/docs/reference/#api-models-StreamSet
STREAM_KEYS = (
    "time",
    "distance",
    "altitude",
    "velocity_smooth",
    "heartrate",
    "cadence",
    "watts",
    "temp",
    "moving",
    "grade_smooth",
)


def read_stream_bytes(body: bytes) -> bytes:
    """Return the body unparsed; one that does not even begin like JSON raises NoJsonError."""
    if body.lstrip()[:1] not in {b"{", b"["}:
        raise NoJsonError("the body is not JSON")
    return body


def parse_streams(body: bytes) -> dict[str, Samples]:
    """Return the known streams by key, all of one length; {} where there are none.

    Takes the object that `key_by_type=true` asks for, and the list that Strava sends without it.
    Raises Permanent, naming the stream, where one holds anything but numbers and nulls (`moving`: true, false
    and nulls) or where the lengths differ, and Retryable where the bytes are no JSON.
    """
    streams: dict[str, Samples] = {}
    for key, stream in _by_key(body).items():
        if key not in STREAM_KEYS or stream is None:
            continue
        if not isinstance(stream, dict):
            raise refusal(f"streams.{key}", stream, "an object")
        samples = stream.get("data")
        if samples is None or samples == []:
            continue
        if not isinstance(samples, list):
            raise refusal(f"streams.{key}.data", samples, "a list")
        _check_samples(key, samples)
        streams[key] = samples
    lengths = {key: len(samples) for key, samples in streams.items()}
    if len(set(lengths.values())) > 1:
        raise Permanent(f"Strava's answer cannot be used: the streams differ in length: {lengths}")
    return streams


def _by_key(body: bytes) -> dict[str, object]:
    try:
        loaded = load_json(body)
    except NoJsonError as error:
        raise Retryable("Strava's streams are no JSON") from error
    if isinstance(loaded, dict):
        return loaded
    if not isinstance(loaded, list):
        raise refusal("streams", loaded, "an object or a list")
    return {_type(stream, f"streams[{place}]"): stream for place, stream in enumerate(loaded)}


def _type(stream: object, where: str) -> str:
    if not isinstance(stream, dict):
        raise refusal(where, stream, "an object")
    key = stream.get("type")
    if not isinstance(key, str):
        raise refusal(f"{where}.type", key, "a text")
    return key


def _check_samples(key: str, samples: list[object]) -> None:
    allowed = {bool, NoneType} if key == "moving" else {int, float, NoneType}
    if not set(map(type, samples)) <= allowed:
        odd = next(sample for sample in samples if type(sample) not in allowed)
        raise refusal(f"streams.{key}.data", odd, "true or false" if key == "moving" else "numbers")
    try:
        finite = all(math.isfinite(sample) for sample in samples if isinstance(sample, int | float))
    except OverflowError:  # an int of 400 digits
        finite = False
    if not finite:
        raise refusal(f"streams.{key}.data", math.inf, "finite numbers")

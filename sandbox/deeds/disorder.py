"""Forged events, faults, and other users of the same app's quota.

Refuses to perform a fault: it is switched on here, the server and the answers perform it.
"""

from __future__ import annotations

import orjson

from sandbox import intervals_api
from sandbox.asked import Asked, BadAsk
from sandbox.deeds.activities import manner_of, reference
from sandbox.stage import Act, Json, Stage
from sandbox.switches import ANY, API, API_ENDPOINTS, KINDS

ENDPOINTS = (
    API,
    ANY,
    *sorted(API_ENDPOINTS),
    "authorize",
    "token",
    "revoke",
    "deauthorize",
    "push_subscriptions",
    *intervals_api.ENDPOINTS,
)
FAULT_FIELDS = ("endpoint", "kind", "count", "rate", "athlete_id", "seconds")


def event(asked: Asked) -> Act:
    """Send any body, JSON or text, true or forged."""
    body, text, manner = asked.maybe("body", dict), asked.take("text", str, ""), manner_of(asked, "repeat", "delay")

    def act(stage: Stage) -> Json:
        sent = body
        if body is not None and isinstance(body.get("object_id"), str) and body["object_id"] in stage.labels:
            sent = body | {"object_id": stage.labels.find(body["object_id"])}
        deliveries = stage.strava.push.send(orjson.dumps(sent) if sent is not None else text.encode(), manner)
        return {"events": [delivery.id for delivery in deliveries]}

    return act


def fault(asked: Asked) -> Act:
    """Switch a fault on, at one endpoint or all, always or at a rate."""
    endpoint, kind = asked.one_of("endpoint", ENDPOINTS, API), asked.one_of("kind", KINDS, "error_500")
    strikes, rate = asked.maybe("count", int), asked.amount("rate", 1.0, 1.0)
    athlete_id, seconds = asked.maybe("athlete_id", int), asked.amount("seconds", 1.0)
    if strikes is not None and strikes < 1:
        raise BadAsk("count must be at least 1")

    def act(stage: Stage) -> Json:
        switch = stage.strava.switches.switch_on(
            endpoint=endpoint, kind=kind, count=strikes, rate=rate, athlete_id=athlete_id, seconds=seconds
        )
        return switch.report()

    return act


def clear_faults(asked: Asked) -> Act:
    """Switch one fault off, or all."""
    cleared = reference(asked, "fault_id") if "fault_id" in asked else None

    def act(stage: Stage) -> Json:
        stage.strava.switches.switch_off(None if cleared is None else stage.labels.find(cleared))
        return {}

    return act


def foreign_use(asked: Asked) -> Act:
    """Spend quota as another user of the same app would."""
    requests = asked.whole("requests", 1, 0, 10**9)

    def act(stage: Stage) -> Json:
        quota, now = stage.strava.quota, stage.strava.clock.now()
        quota.charge_foreign(now, requests)
        return quota.report(now)

    return act

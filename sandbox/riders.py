"""Invented athletes and what they did lately, all of it from one seed.

Refuses to draw activities: it plans sessions, and a session is performed when somebody asks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from sandbox.sessions import KINDS, SHAPES, SPORT_OF_KIND, Session
from sandbox.world import FIRST_ATHLETE_ID, Athlete, Body, Home

WOMEN = ("Anna", "Camille", "Ingrid", "Lucía", "Mei", "Nora", "Zoë")
MEN = ("Bram", "Dario", "Emil", "Hugo", "Kofi", "Mateo", "Tomás")
FAMILY_NAMES = ("Aubert", "Bianchi", "Claes", "Duval", "Eriksen", "Fontaine", "Gruber", "Haas", "Ibáñez", "Janssen")
HOMES = (
    Home("Annecy", "France", 45.8992, 6.1294, "Europe/Paris"),
    Home("Girona", "Spain", 41.9794, 2.8214, "Europe/Madrid"),
    Home("Boulder", "United States", 40.015, -105.2705, "America/Denver"),
    Home("Gent", "Belgium", 51.0543, 3.7174, "Europe/Brussels"),
    Home("Christchurch", "New Zealand", -43.5321, 172.6362, "Pacific/Auckland"),
)
KIND_WEIGHTS = (30, 8, 12, 28, 8, 9, 5)  # in the order of KINDS
SHAPE_WEIGHTS = (60, 15, 12, 13)  # in the order of SHAPES
REST_DAY_SHARE = 0.35
LONGEST_SECONDS = 4 * 3600
MOVING_MINUTES = {
    "ride": (45, 180), "ride_estimated": (40, 120), "indoor": (40, 90), "run": (25, 90), "swim": (25, 60),
    "strength": (30, 60), "manual": (30, 90),
}  # fmt: skip
TITLES = {
    "ride": "Ride", "ride_estimated": "Commute the long way", "indoor": "Turbo session", "run": "Run",
    "swim": "Lengths", "strength": "Strength", "manual": "Forgot the watch",
}  # fmt: skip


def _title(kind: str, shape: str) -> str:
    hard = shape != "steady" and kind in {"ride", "run", "indoor"}
    return f"{TITLES[kind]}: {shape}" if hard else TITLES[kind]


def _body(draw: random.Random, *, woman: bool) -> Body:
    weight = draw.uniform(50, 66) if woman else draw.uniform(62, 84)
    resting, most = draw.uniform(42, 60), draw.uniform(176, 198)
    return Body(
        ftp_watts=round(weight * draw.uniform(2.6, 4.2)),
        weight_kg=round(weight, 1),
        threshold_bpm=round(resting + (most - resting) * draw.uniform(0.84, 0.88)),
        max_bpm=round(most),
        resting_bpm=round(resting),
        threshold_speed=round(draw.uniform(3.3, 4.6), 2),
        swim_speed=round(draw.uniform(0.9, 1.35), 2),
    )


def invent_athletes(count: int, seed: int) -> Iterator[Athlete]:
    """Invent athletes; the n-th is the same whatever the count."""
    order = random.Random(f"{seed}/names")
    women, men, families = (order.sample(names, len(names)) for names in (WOMEN, MEN, FAMILY_NAMES))
    for number in range(count):
        draw = random.Random(f"{seed}/athlete/{number}")
        woman = draw.random() < 0.5
        body, names = _body(draw, woman=woman), women if woman else men
        yield Athlete(
            id=FIRST_ATHLETE_ID + number,
            # In turn, from lists of coprime lengths: the first seventy have names of their own.
            firstname=names[number % len(names)],
            lastname=families[number % len(families)],
            sex="F" if woman else "M",
            home=draw.choice(HOMES),
            body=body,
            ftp=int(body.ftp_watts),
            lthr=int(body.threshold_bpm),
            max_hr=int(body.max_bpm),
            resting_hr=int(body.resting_bpm),
            weight_kg=body.weight_kg,
        )


def plan_session(athlete: Athlete, draw: random.Random, start_at: int) -> Session:
    """Plan whatever this athlete might do at this instant."""
    kind = draw.choices(KINDS, KIND_WEIGHTS)[0]
    shape = draw.choices(SHAPES, SHAPE_WEIGHTS)[0]
    return Session(
        seed=draw.getrandbits(63),
        kind=kind,
        sport_type=SPORT_OF_KIND[kind],
        shape=shape,
        name=_title(kind, shape),
        start_at=start_at,
        moving_seconds=draw.randint(*MOVING_MINUTES[kind]) * 60,
        body=athlete.body,
        home=athlete.home,
    )


def plan_history(athlete: Athlete, seed: int, days: int, until: int) -> Iterator[Session]:
    """Plan an athlete's sessions of the last `days` days before `until`, oldest first, one a day at most."""
    today = until // 86_400
    sun_seconds = round(athlete.home.longitude / 15) * 3600
    for day in range(today - days + 1, today + 1):
        draw = random.Random(f"{seed}/day/{athlete.id}/{day}")
        start_at = day * 86_400 + draw.randint(6 * 3600, 19 * 3600) - sun_seconds
        rests = draw.random() < REST_DAY_SHARE
        if not rests and start_at < until - LONGEST_SECONDS:
            yield plan_session(athlete, draw, start_at)

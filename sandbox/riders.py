"""Invented athletes, all of it from one seed: names, homes, bodies, and what they would tell of themselves.

Refuses to plan what they do: that is `habits` and `seasons`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from sandbox.habits import profile_of
from sandbox.world import FIRST_ATHLETE_ID, Athlete, Body, Home

# The lengths of the lists have no common divisor: 17 × 41 women and 19 × 41 men have names of their own.
WOMEN = (
    "Anna", "Camille", "Ingrid", "Lucía", "Mei", "Nora", "Zoë", "Freya", "Marta", "Siobhán", "Aiko", "Leila",
    "Petra", "Solveig", "Ximena", "Wanjiru", "Tessa",
)  # fmt: skip
MEN = (
    "Bram", "Dario", "Emil", "Hugo", "Kofi", "Mateo", "Tomás", "Lars", "Jonas", "Pavel", "Rohan", "Yusuf", "Owen",
    "Felipe", "Anders", "Kenji", "Luca", "Sami", "Tadhg",
)  # fmt: skip
FAMILY_NAMES = (
    "Aubert", "Bianchi", "Claes", "Duval", "Eriksen", "Fontaine", "Gruber", "Haas", "Ibáñez", "Janssen", "Kowalski",
    "Lindqvist", "Moreau", "Novák", "Okafor", "Peeters", "Quinn", "Rossi", "Silva", "Tanaka", "Ueda", "Vermeulen",
    "Weber", "Ximénez", "Yilmaz", "Zanetti", "Almeida", "Brennan", "Castro", "Dahl", "Esposito", "Farkas", "Girard",
    "Horvat", "Ito", "Jensen", "Keller", "Laurent", "Murray", "Nyberg", "Oliveira",
)  # fmt: skip
HOMES = (
    Home("Annecy", "France", 45.8992, 6.1294, "Europe/Paris"),
    Home("Girona", "Spain", 41.9794, 2.8214, "Europe/Madrid"),
    Home("Boulder", "United States", 40.015, -105.2705, "America/Denver"),
    Home("Gent", "Belgium", 51.0543, 3.7174, "Europe/Brussels"),
    Home("Christchurch", "New Zealand", -43.5321, 172.6362, "Pacific/Auckland"),
    Home("Bergen", "Norway", 60.3913, 5.3221, "Europe/Oslo"),
    Home("Lecco", "Italy", 45.8566, 9.3977, "Europe/Rome"),
    Home("Nagano", "Japan", 36.6513, 138.181, "Asia/Tokyo"),
    Home("Iten", "Kenya", 0.6703, 35.5081, "Africa/Nairobi"),
    Home("Leeds", "United Kingdom", 53.8008, -1.5491, "Europe/London"),
)


def _body(draw: random.Random, *, woman: bool, casual: bool) -> Body:
    weight = draw.uniform(50, 66) if woman else draw.uniform(62, 84)
    resting, most = draw.uniform(42, 60), draw.uniform(176, 198)
    watts_per_kg = draw.uniform(2.7, 4.1) if woman else draw.uniform(3.0, 4.6)
    speed = draw.uniform(3.2, 4.4) if woman else draw.uniform(3.6, 4.9)
    ease = 0.7 if casual else 1.0
    critical_power = round(weight * watts_per_kg * ease, 1)
    critical_speed = round(speed * (0.82 if casual else 1.0), 3)
    return Body(
        critical_power=critical_power,
        w_prime=round(critical_power * min(max(draw.gauss(75, 13), 50), 110)),
        critical_speed=critical_speed,
        d_prime=round(critical_speed * min(max(draw.gauss(50, 11), 30), 78), 1),
        swim_speed=round(draw.uniform(0.9, 1.4) * (0.85 if casual else 1.0), 3),
        swim_reserve=round(draw.uniform(12, 26), 1),
        weight_kg=round(weight, 1),
        threshold_bpm=round(resting + (most - resting) * draw.uniform(0.84, 0.89)),
        max_bpm=round(most),
        resting_bpm=round(resting),
    )


def number_of(athlete: Athlete) -> int:
    """Return the number of an invented athlete: he is the n-th, counted from 0."""
    return athlete.id - FIRST_ATHLETE_ID


def invent_athletes(count: int, seed: int) -> Iterator[Athlete]:
    """Invent athletes; the n-th is the same whatever the count.

    They tell what they believe: thresholds rounded, and off by some percent or beats. Of a sport that they do not
    train for they know none, and half of the casual ones know nothing but their weight.
    """
    order = random.Random(f"{seed}/names")
    women, men, families = (order.sample(names, len(names)) for names in (WOMEN, MEN, FAMILY_NAMES))
    for number in range(count):
        draw = random.Random(f"{seed}/athlete/{number}")
        profile, woman = profile_of(number), draw.random() < 0.5
        body, names = _body(draw, woman=woman, casual=profile == "casual"), women if woman else men
        home = draw.choice(HOMES)
        rides = profile in {"cyclist", "meterless cyclist", "triathlete"}
        runs, swims = profile in {"runner", "triathlete"}, profile in {"swimmer", "triathlete"}
        believed, clueless = draw.uniform(0.97, 1.03), profile == "casual" and draw.random() < 0.5
        yield Athlete(
            id=FIRST_ATHLETE_ID + number,
            firstname=names[number % len(names)],
            lastname=families[number % len(families)],
            sex="F" if woman else "M",
            home=home,
            body=body,
            ftp=round(body.critical_power * believed) if rides else None,
            critical_speed=round(body.critical_speed * believed, 2) if runs else None,
            css=round(body.swim_speed * believed, 2) if swims else None,
            lthr=None if clueless else round(body.threshold_bpm + draw.uniform(-2, 2)),
            max_hr=None if clueless else int(body.max_bpm),
            resting_hr=None if clueless else int(body.resting_bpm),
            weight_kg=body.weight_kg,
        )

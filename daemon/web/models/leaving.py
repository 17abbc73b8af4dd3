"""What is told of an erasure, and what asks for one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from daemon.web.endpoints import Model


class Confirmation(Model):
    """The word without which nobody is erased."""

    confirm: Literal["erase"]


class Erasure(Model):
    """What is being erased, counted; gone `by`, once Strava was told or did not answer in time."""

    athlete_id: int
    activities: int
    thresholds: int
    wellness_days: int
    fitness_days: int
    by: datetime
    says: str

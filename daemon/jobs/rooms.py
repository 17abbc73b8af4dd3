"""What every job may use: the rooms that `app` has furnished."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.clock import Clock
from daemon.compute.calculator import Calculator
from daemon.intervals.client import IntervalsClient
from daemon.limiter.gate import Gate
from daemon.science.pace import GradeModel
from daemon.science.wellness import Weights
from daemon.store.database import Database
from daemon.strava.client import StravaClient
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault


@dataclass(frozen=True, slots=True)
class Rooms:
    """The adapters, and settings: `streams_days` of [retention], `grade_model` and `weights` of [science]."""

    database: Database
    strava: StravaClient
    vault: Vault
    gate: Gate
    calculator: Calculator
    clock: Clock
    streams_days: float
    grade_model: GradeModel
    cipher: Cipher
    intervals: IntervalsClient
    weights: Weights

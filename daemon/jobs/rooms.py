"""What every job may use: the rooms that `app` has furnished."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.clock import Clock
from daemon.compute.calculator import Calculator
from daemon.core.instruments import SILENT, Instruments
from daemon.courier.client import Courier
from daemon.intervals.client import IntervalsClient
from daemon.limiter.gate import Gate
from daemon.science.scoring import Choices
from daemon.store.database import Database
from daemon.strava.client import StravaClient
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault


@dataclass(frozen=True, slots=True)
class Rooms:
    """The adapters; `streams_days` is `retention.streams_days`, `choices` is the section `science`."""

    database: Database
    strava: StravaClient
    vault: Vault
    gate: Gate
    calculator: Calculator
    clock: Clock
    streams_days: float
    choices: Choices
    cipher: Cipher
    intervals: IntervalsClient
    courier: Courier
    instruments: Instruments = SILENT

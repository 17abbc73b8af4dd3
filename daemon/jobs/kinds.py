"""Every kind of job by the name that its rows carry, and which workers claim it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from daemon.jobs import (
    backfill,
    deliver,
    erase_athlete,
    fit_thresholds,
    follow_fitness,
    look_at_activity,
    look_at_athlete,
    look_at_streams,
    read_profile,
    recompute_load,
    renew_statistics,
    say_farewell,
    sync_athlete,
    sync_wellness,
    validate_thresholds,
    walk_history,
)
from daemon.jobs.rooms import Rooms
from daemon.store.jobs import Job

KINDS: Final[Mapping[str, Callable[[Job, Rooms], Awaitable[None]]]] = {
    module.KIND: module.run
    for module in (
        look_at_activity,
        look_at_streams,
        look_at_athlete,
        erase_athlete,
        say_farewell,
        read_profile,
        sync_athlete,
        walk_history,
        backfill,
        fit_thresholds,
        validate_thresholds,
        recompute_load,
        follow_fitness,
        renew_statistics,
    )
}

# Kinds that wait for strangers' servers: workers of their own claim them, so that nothing else waits behind them.
WELLNESS: Final[Mapping[str, Callable[[Job, Rooms], Awaitable[None]]]] = {sync_wellness.KIND: sync_wellness.run}
OUTGOING: Final[Mapping[str, Callable[[Job, Rooms], Awaitable[None]]]] = {deliver.KIND: deliver.run}

EVERY: Final = {**KINDS, **WELLNESS, **OUTGOING}

# How many calls a job takes at most; for estimates, never for permits. What is not named takes one.
CALLS: Final[Mapping[str, int]] = {look_at_activity.KIND: 2}

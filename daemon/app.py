"""The whole machine, wired: read `run` from top to bottom to know it.

What is entered first is left last. So a stop goes backwards through this file: the server stops accepting, what
was accepted is committed, running jobs end or are released, clients close, the pool closes, PostgreSQL stops.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from aiohttp import ClientSession

from daemon import __version__
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.config import Settings
from daemon.core.freshness import Policy
from daemon.courier.client import Courier
from daemon.front import Running, site
from daemon.intervals.client import IntervalsClient
from daemon.jobs import backfill, renew_statistics
from daemon.jobs.kinds import KINDS, OUTGOING
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.loops.census import Census
from daemon.loops.dispatch import Dispatch
from daemon.loops.inbox import Budget, Folding, Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.loops.news import Feed, announced
from daemon.loops.occasions import Means
from daemon.loops.pulse import Pulse
from daemon.loops.receiver import Receiver
from daemon.loops.staleness import FleetStaleness
from daemon.loops.subscription import Keeper
from daemon.loops.supervisor import Supervisor
from daemon.loops.sweeper import Retention, Sweeper
from daemon.loops.timers import Timers
from daemon.loops.worker import Work, Worker
from daemon.metrics import Metrics
from daemon.notify import notify
from daemon.store.database import Database
from daemon.store.opening import open_database, window_lengths
from daemon.strava.client import OAuthClient, StravaClient, open_session
from daemon.strava.wire import AppCredentials
from daemon.vault.cipher import Cipher
from daemon.vault.tokens import Vault
from daemon.web.gauges import Gauges
from daemon.web.metrics import counting
from daemon.web.server import application, serving

log = structlog.get_logger()

COURIERS: Final = 8  # deliveries at once; they wait for others' servers, and for nothing of ours


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises RootTaskEnded when a root task ends by itself."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as house:
        # The database: embedded or not, migrated, with this app's rows in it.
        opened = await house.enter_async_context(open_database(settings))

        # What jobs work with.
        session = await house.enter_async_context(open_session(settings.strava.timeout_seconds))
        metrics = Metrics(tuple(KINDS))
        calculator = await house.enter_async_context(Calculator(metrics))
        courier = await house.enter_async_context(Courier(allow_private=settings.notifications.allow_private))
        rooms = _rooms(settings, opened.database, session, calculator, courier, metrics)

        # The loops, from the last that an event passes to the first: stopping drains them in its direction.
        loops = await house.enter_async_context(Supervisor())
        if opened.server is not None:  # one that a command started is taken over when the command ends
            loops.start("embedded PostgreSQL", opened.server.watch())
        pulse = await _start_pulse(loops, settings, rooms)
        metrics.register(
            Gauges(pulse, _start_census(loops, settings, rooms), rooms.gate, calculator, rooms.database)
        )
        feed = Feed(rooms.database)
        dispatch = _start_news(loops, settings, rooms, feed)
        worker = _start_worker(loops, settings, rooms, feed, dispatch)
        await _start_timers(loops, settings, rooms, worker)
        inbox = _start_inbox(loops, settings, rooms, worker)
        hints = _start_hints(loops, settings, rooms, worker)

        # The door: opened last, closed first.
        running = Running(pulse, worker, inbox, hints, feed, metrics)
        pages = application(site(settings, rooms, running).routes())
        pages.middlewares.insert(0, counting(metrics, rooms.clock))
        pages.on_shutdown.append(feed.end)  # open streams would be waited for
        address = await house.enter_async_context(serving(pages, settings.web.host, settings.web.port))
        _start_behind_the_door(loops, settings, rooms, session)

        log.info("daemon.started", version=__version__, address=address, embedded=settings.database.embedded)
        notify("READY=1", f"STATUS=listening on {address}")
        try:
            await loops.until(stop)
        finally:
            log.info("daemon.stop_begun")
            notify("STOPPING=1")
    log.info("daemon.stopped")


def _rooms(
    settings: Settings,
    database: Database,
    session: ClientSession,
    calculator: Calculator,
    courier: Courier,
    metrics: Metrics,
) -> Rooms:
    """Furnish the adapters: Strava behind the gate, tokens in the vault."""
    strava, clock = settings.strava, SystemClock()
    credentials = AppCredentials(strava.client_id, strava.client_secret)
    pace = Pace(settings.quota.requests_per_second, settings.quota.concurrency)
    cipher, intervals = Cipher(settings.vault.keys), settings.intervals
    return Rooms(
        database=database,
        strava=StravaClient(session, strava.api_url, metrics),
        vault=Vault(database, OAuthClient(session, strava.oauth_url, credentials, metrics), cipher, clock),
        gate=Gate(database, strava.client_id, window_lengths(settings), pace, clock, metrics),
        calculator=calculator,
        clock=clock,
        streams_days=settings.retention.streams_days,
        choices=settings.science.choices(),
        cipher=cipher,
        intervals=IntervalsClient(session, intervals.api_url, intervals.requests_per_second, clock, metrics),
        courier=courier,
        instruments=metrics,
    )


async def _start_pulse(loops: Supervisor, settings: Settings, rooms: Rooms) -> Pulse:
    """Measure how everything does, before anything else may do badly."""
    client_id, lengths = settings.strava.client_id, window_lengths(settings)
    fleet = FleetStaleness(rooms.database, client_id, rooms.clock)
    pulse = Pulse(rooms.database, client_id, lengths, rooms.gate.shut_reason, fleet, rooms.clock, rooms.instruments)
    await pulse.beat()
    loops.start("pulse", pulse.run())
    loops.start("staleness", fleet.run())
    return pulse


def _start_census(loops: Supervisor, settings: Settings, rooms: Rooms) -> Census:
    """Count for metrics what only the database knows."""
    census = Census(rooms.database, settings.strava.client_id, window_lengths(settings), rooms.clock)
    loops.start("census", census.run())
    return census


def _start_news(loops: Supervisor, settings: Settings, rooms: Rooms, feed: Feed) -> Dispatch:
    """Tell what is new: open pages, and whoever is sent webhooks."""
    # What is cut off is sent again, under the same id: a stop need not wait for a receiver that hangs.
    work = Work(COURIERS, settings.jobs.lease_seconds, settings.jobs.max_attempts, drain_seconds=0.5)
    couriers = Worker(rooms, OUTGOING, work)
    dispatch = Dispatch(rooms.database, rooms.clock, couriers.wake)
    loops.start("leases of couriers", couriers.renew_leases())  # as with the worker's
    loops.start("couriers", couriers.run())
    loops.start("dispatch", dispatch.run())
    loops.start("news", feed.run())
    return dispatch


def _start_worker(loops: Supervisor, settings: Settings, rooms: Rooms, feed: Feed, dispatch: Dispatch) -> Worker:
    """Work off the queue."""

    def tell() -> None:
        feed.wake()
        dispatch.wake()

    work = Work(settings.jobs.workers, settings.jobs.lease_seconds, settings.jobs.max_attempts)
    worker = Worker(rooms, announced(KINDS, tell), work)
    loops.start("leases", worker.renew_leases())  # before the worker: leases are needed until it has drained
    loops.start("worker", worker.run())
    return worker


async def _start_timers(loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker) -> None:
    """Fill the queue with what no event told: the seven scheduled jobs, histories, what died or grew old."""
    database, clock, kept = rooms.database, rooms.clock, settings.retention
    async with database.transaction() as connection:  # who came while nobody ran, steps that died, new versions
        await backfill.begin_all(connection, settings.backfill.days, clock.now())
        await renew_statistics.begin_all(connection, clock.now())
    lengths, policy = window_lengths(settings), Policy(settings.sync.policy)
    means = Means(database, settings.strava.client_id, lengths, policy, clock, worker.wake)
    timers = Timers(means, ZoneInfo(settings.schedule.timezone), settings.jobs.lease_seconds)
    loops.start("timers", timers.run())
    retention = Retention(
        streams_days=kept.streams_days,
        events_days=kept.events_days,
        jobs_days=kept.jobs_days,
        runs_days=kept.runs_days,
        deauthorized_days=kept.deauthorized_days,
    )
    sweeper = Sweeper(database, retention, settings.jobs.max_attempts, clock, worker.wake, rooms.instruments)
    loops.start("rescue", sweeper.rescue())
    loops.start("prune", sweeper.prune())


def _start_inbox(loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker) -> Inbox:
    """Fill the queue with what events tell: stored before they are acknowledged, folded afterwards."""
    budget = Budget(settings.webhook.owner_looks_per_hour, settings.webhook.looks_per_hour)
    required = settings.strava.signature_mode == "require"
    client_id = settings.strava.client_id
    folding = Folding(
        rooms.database,
        client_id,
        budget,
        rooms.clock,
        worker.wake,
        signatures_required=required,
        instruments=rooms.instruments,
    )
    loops.start("folding", folding.run())
    inbox = Inbox(rooms.database, folding.wake)
    loops.start("inbox", inbox.write())
    return inbox


def _start_hints(loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker) -> IntervalsHints:
    """Look at wellness where Intervals.icu says that it changed."""
    budget = Budget(settings.webhook.owner_looks_per_hour, settings.webhook.looks_per_hour)
    hints = IntervalsHints(rooms.database, budget, rooms.clock, worker.wake)
    loops.start("hints", hints.run())
    return hints


def _start_behind_the_door(loops: Supervisor, settings: Settings, rooms: Rooms, session: ClientSession) -> None:
    """Stamp that events can come in, and keep the subscription: Strava calls back while we subscribe."""
    loops.start("receiver", Receiver(rooms.database, settings.strava.client_id, rooms.clock).run())
    if settings.strava.callback_url:
        loops.start(
            "subscription", Keeper(rooms.database, session, settings.strava, rooms.clock, rooms.instruments).run()
        )

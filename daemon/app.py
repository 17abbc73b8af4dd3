"""The whole machine, wired: read `run` from top to bottom to know it.

What is entered first is left last. So a stop goes backwards through this file: the server stops accepting, what
was accepted is committed, running jobs end or are released, token refreshes end, clients close, the pool closes,
PostgreSQL stops.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from aiohttp import ClientSession

from daemon import __version__, logs
from daemon.activation import inherited_sockets
from daemon.clock import SystemClock
from daemon.compute.calculator import Calculator
from daemon.config import Settings
from daemon.core.admission import LANES, Lane
from daemon.core.freshness import Policy
from daemon.courier.client import Courier
from daemon.front import Running, site
from daemon.intervals.client import IntervalsClient
from daemon.jobs.kinds import EVERY, KINDS, OUTGOING, WELLNESS
from daemon.jobs.rooms import Rooms
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.loops.arrears import Arrears
from daemon.loops.census import Census
from daemon.loops.dispatch import Dispatch
from daemon.loops.inbox import Budget, Folding, Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.loops.news import Feed, announced
from daemon.loops.occasions import Means
from daemon.loops.pulse import Pulse
from daemon.loops.receiver import Receiver
from daemon.loops.reload import Reload
from daemon.loops.staleness import FleetStaleness
from daemon.loops.subscription import Keeper
from daemon.loops.supervisor import Supervisor
from daemon.loops.sweeper import Retention, Sweeper
from daemon.loops.timers import Timers
from daemon.loops.watchdog import Watchdog
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

REFRESHES_END_WITHIN_SECONDS: Final = 30.0  # with all else a stop takes less than TimeoutStopSec=, which is 60
COURIERS: Final = 8  # deliveries at once; they wait for others' servers, and for nothing of ours
READERS: Final = 4  # of wellness at once: enough for the pace that Intervals.icu is asked at


async def run(settings: Settings, path: Path) -> None:
    """Run until SIGTERM or SIGINT; raises RootTaskEnded when a root task ends by itself.

    SIGHUP has the settings read again from `path`, except on a terminal: there it says that nobody is left.
    """
    stop, reload = asyncio.Event(), Reload(path, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, stop.set if sys.stderr.isatty() else reload.ask)
    reload.on_change(lambda fresh: logs.configure(fresh.logs.level, fresh.logs.format))
    sockets = inherited_sockets()  # before any child could take them for its own
    async with AsyncExitStack() as house:
        # The database: embedded or not, migrated, with this app's rows in it.
        opened = await house.enter_async_context(open_database(settings))

        # What jobs work with.
        session = await house.enter_async_context(open_session(settings.strava.timeout_seconds))
        metrics = Metrics(tuple(EVERY))
        calculator = await house.enter_async_context(Calculator(metrics))
        courier = await house.enter_async_context(Courier(allow_private=settings.notifications.allow_private))
        rooms = _rooms(settings, opened.database, session, calculator, courier, metrics)
        # A refresh outlasts its job: what Strava rotates is stored before session and pool close.
        patience_seconds = min(settings.strava.timeout_seconds + 5, REFRESHES_END_WITHIN_SECONDS)
        house.push_async_callback(rooms.vault.finish, patience_seconds)

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
        worker = _start_worker(loops, settings, rooms, reload, feed, dispatch)
        readers = _start_readers(loops, settings, rooms, worker, feed, dispatch)
        _start_timers(loops, settings, rooms, worker, reload)
        inbox = _start_inbox(loops, settings, rooms, worker, reload)
        hints = _start_hints(loops, settings, rooms, readers, reload)

        # The door: opened last, closed first.
        running = Running(pulse, worker, readers, inbox, hints, feed, metrics)
        pages = application(site(settings, rooms, running).routes(), settings.web.proxies)
        pages.middlewares.insert(0, counting(metrics, rooms.clock))
        pages.on_shutdown.append(feed.end)  # open streams would be waited for
        address = await house.enter_async_context(serving(pages, settings.web.host, settings.web.port, sockets))
        _start_behind_the_door(loops, settings, rooms, session)
        loops.start("settings", reload.run())
        loops.start("watchdog", Watchdog(pulse, loops, rooms.database, rooms.clock).run())

        log.info("daemon.started", version=__version__, address=address, embedded=settings.database.embedded)
        notify("READY=1", f"STATUS=listening on {address}")
        # Who came while nobody ran, steps that died, new versions: it may be everybody, and events must not wait.
        loops.start("arrears", Arrears(rooms.database, settings.backfill.days, rooms.clock, worker.wake).run())
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
    couriers = Worker(rooms, OUTGOING, _among_strangers(settings, COURIERS))
    dispatch = Dispatch(rooms.database, rooms.clock, couriers.wake)
    loops.start("leases of couriers", couriers.renew_leases())  # as with the worker's
    loops.start("couriers", couriers.run())
    loops.start("dispatch", dispatch.run())
    loops.start("news", feed.run())
    return dispatch


def _start_worker(
    loops: Supervisor, settings: Settings, rooms: Rooms, reload: Reload, feed: Feed, dispatch: Dispatch
) -> Worker:
    """Work off the queue, all of it that waits for nobody but Strava."""

    def tell() -> None:
        feed.wake()
        dispatch.wake()

    work = Work(settings.jobs.workers, settings.jobs.lease_seconds, settings.jobs.max_attempts)
    worker = Worker(rooms, announced(KINDS, tell), work)
    loops.start("leases", worker.renew_leases())  # before the worker: leases are needed until it has drained
    loops.start("worker", worker.run())
    reload.on_change(lambda fresh: worker.move(replace(rooms, streams_days=fresh.retention.streams_days)))
    return worker


def _start_readers(
    loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker, feed: Feed, dispatch: Dispatch
) -> Worker:
    """Read wellness at Intervals.icu, beside everything else: when it is silent, nothing but wellness waits."""

    def tell() -> None:
        worker.wake()  # loads may follow from it
        feed.wake()
        dispatch.wake()

    def lanes() -> tuple[Lane, ...]:
        # While nothing is sent, syncs of everybody stay untouched rows; where a person waits, the job says why.
        return (Lane.LIVE, Lane.INTERACTIVE) if rooms.intervals.is_quiet else LANES

    # A reload moves the worker alone: nothing that it may change is read here.
    readers = Worker(rooms, announced(WELLNESS, tell), _among_strangers(settings, READERS), lanes)
    loops.start("leases of readers", readers.renew_leases())  # as with the worker's
    loops.start("readers", readers.run())
    return readers


def _among_strangers(settings: Settings, workers: int) -> Work:
    """Say how to work where others' servers are waited for, with no place kept for live work.

    What is cut off is sent again under the same id, or read again: a stop need not wait for a server that hangs.
    """
    jobs = settings.jobs
    return Work(workers, jobs.lease_seconds, jobs.max_attempts, drain_seconds=0.5, live_share=0, asks_strava=False)


def _start_timers(loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker, reload: Reload) -> None:
    """Fill the queue with what no event told: the seven scheduled jobs, histories, what died or grew old."""
    database, clock = rooms.database, rooms.clock
    lengths, policy = window_lengths(settings), Policy(settings.sync.policy)
    means = Means(database, settings.strava.client_id, lengths, policy, clock, worker.wake)
    timers = Timers(means, ZoneInfo(settings.schedule.timezone), settings.jobs.lease_seconds)
    loops.start("timers", timers.run())
    kept, most = _retention(settings), settings.jobs.max_attempts
    sweeper = Sweeper(database, kept, most, clock, worker.wake, rooms.instruments)
    loops.start("rescue", sweeper.rescue())
    loops.start("prune", sweeper.prune())
    reload.on_change(lambda fresh: sweeper.keep(_retention(fresh)))


def _retention(settings: Settings) -> Retention:
    kept = settings.retention
    return Retention(
        streams_days=kept.streams_days,
        events_days=kept.events_days,
        jobs_days=kept.jobs_days,
        runs_days=kept.runs_days,
        deauthorized_days=kept.deauthorized_days,
    )


def _budget(settings: Settings) -> Budget:
    return Budget(settings.webhook.owner_looks_per_hour, settings.webhook.looks_per_hour)


def _start_inbox(loops: Supervisor, settings: Settings, rooms: Rooms, worker: Worker, reload: Reload) -> Inbox:
    """Fill the queue with what events tell: stored before they are acknowledged, folded afterwards."""
    required = settings.strava.signature_mode == "require"
    client_id = settings.strava.client_id
    folding = Folding(
        rooms.database,
        client_id,
        _budget(settings),
        rooms.clock,
        worker.wake,
        signatures_required=required,
        instruments=rooms.instruments,
    )
    loops.start("folding", folding.run())
    reload.on_change(lambda fresh: folding.allow(_budget(fresh)))
    inbox = Inbox(rooms.database, folding.wake)
    loops.start("inbox", inbox.write())
    return inbox


def _start_hints(
    loops: Supervisor, settings: Settings, rooms: Rooms, readers: Worker, reload: Reload
) -> IntervalsHints:
    """Look at wellness where Intervals.icu says that it changed."""
    hints = IntervalsHints(rooms.database, _budget(settings), rooms.clock, readers.wake)
    loops.start("hints", hints.run())
    reload.on_change(lambda fresh: hints.allow(_budget(fresh)))
    return hints


def _start_behind_the_door(loops: Supervisor, settings: Settings, rooms: Rooms, session: ClientSession) -> None:
    """Stamp that events can come in, and keep the subscription: Strava calls back while we subscribe."""
    loops.start("receiver", Receiver(rooms.database, settings.strava.client_id, rooms.clock).run())
    if settings.strava.callback_url:
        loops.start(
            "subscription", Keeper(rooms.database, session, settings.strava, rooms.clock, rooms.instruments).run()
        )

"""The ledger and the gate before it: exact between daemons, and no way out of it leaks a slot or a permit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from daemon.clock import Clock, SystemClock
from daemon.core.admission import LANES, Answered, Lane, MeterReading, Outcome, Permit, Reading
from daemon.core.errors import AppInactive, QuotaSpent, Retryable
from daemon.core.quota import COLD_PERMITS, PROBE_EVERY, Ledger, Lengths, Limits, Window
from daemon.limiter.gate import Gate
from daemon.limiter.pacing import Pace
from daemon.store import ledgers
from daemon.store.database import Connection, Database
from daemon.store.ledgers import Entry
from tests.support.clocks import SetClock
from tests.support.relay import relayed
from tests.support.sessions import until_waiting
from tests.support.told import Told

CLIENT_ID = 77
# No boundary is near, and all that is kept for other lanes has melted: these windows began with the epoch.
_UNTIL_NEXT_MONTH = int(datetime.now(UTC).timestamp()) + 30 * 86_400
ONE_WINDOW = Lengths(_UNTIL_NEXT_MONTH, _UNTIL_NEXT_MONTH)
UNPACED = Pace(requests_per_second=1e6, concurrency=8)


def limits(quarter: int, day: int = 10**4) -> Limits:
    return Limits(overall_quarter=quarter, overall_day=day, read_quarter=quarter, read_day=day)


def reading(used: int, limit: int) -> Reading:
    meter = MeterReading(quarter_limit=limit, day_limit=10**4, quarter_usage=used, day_usage=used)
    return Reading(overall=meter, read=meter)


def answer(outcome: Outcome = Outcome.COUNTED, shown: Reading | None = None) -> Answered:
    return Answered(datetime.now(UTC).replace(microsecond=0), shown, outcome)


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A look at the ledger; it has learned its limits, 300 a quarter."""
    async with database.connection() as connection:
        await learned(connection, limits(300))
        yield connection


async def learned(connection: Connection, known: Limits) -> None:
    """Open the ledger, or open it anew, with limits as if Strava had shown them."""
    await connection.execute("DELETE FROM quota_ledgers")
    await ledgers.open_ledger(connection, CLIENT_ID, known)
    await connection.execute("UPDATE quota_ledgers SET limits_learned = true")
    # A long past without a call: nothing is kept for anybody.
    await connection.execute(
        "INSERT INTO quota_quarters VALUES ($1, now() - interval '1 day', 2000000000, 0, 0, 0, 0, 0)"
        " ON CONFLICT DO NOTHING",
        CLIENT_ID,
    )


def gate(
    database: Database, lengths: Lengths = ONE_WINDOW, pace: Pace = UNPACED, clock: Clock | None = None
) -> Gate:
    return Gate(database, CLIENT_ID, lengths, pace, clock if clock is not None else SystemClock())


async def take(gate: Gate, calls: int = 1, lane: Lane = Lane.BACKFILL) -> list[Permit]:
    async with asyncio.timeout(60), gate.step(lane, calls) as step:
        return [await step.permit() for _ in range(calls)]


async def written(connection: Connection, changed: Ledger | None = None) -> Entry:
    """Read and write until it comes within the half second for which a decision is good; returns what was read."""
    async with asyncio.timeout(60):
        while True:
            entry = await ledgers.read(connection, CLIENT_ID)
            assert entry is not None
            if await ledgers.write(connection, CLIENT_ID, entry, changed or entry.ledger):
                return entry


async def charged(connection: Connection) -> int:
    count: int = await connection.fetchval("SELECT day_charged FROM quota_ledgers")
    return count


# The row


async def test_every_column_comes_back_as_it_was_written(connection: Connection) -> None:
    numbers = iter(range(1, 100))
    window: dict[str, Any] = {field.name: next(numbers) for field in fields(Window)} | {"spent": True}
    whole = Ledger(
        limits=Limits(*(next(numbers) for _ in fields(Limits))),
        limits_learned=True,
        quarter=Window(**window | {"by_lane": (1, 2, 3, 4)}),
        day=Window(
            **{name: value + 50 for name, value in window.items()} | {"spent": False, "by_lane": (5, 6, 7, 8)}
        ),
        offset_low_seconds=-1.25,
        offset_high_seconds=0.1 + 0.2,
        offset_at=datetime(2026, 3, 29, 1, 2, 3, 456789, tzinfo=UTC),
        inactive_until=datetime(2026, 10, 25, 2, 30, tzinfo=UTC),
    )

    entry = await written(connection, whole)

    again = await ledgers.read(connection, CLIENT_ID)
    assert again is not None
    assert (again.ledger, again.version) == (whole, entry.version + 1)


async def test_only_the_first_of_two_who_read_the_same_may_write(connection: Connection) -> None:
    entry = await written(connection)
    still_young = Entry(entry.ledger, entry.version, entry.read_at + timedelta(hours=1))

    assert not await ledgers.write(connection, CLIENT_ID, still_young, entry.ledger)


async def test_a_decision_that_has_grown_old_is_not_written(connection: Connection) -> None:
    entry = await ledgers.read(connection, CLIENT_ID)
    assert entry is not None
    old = Entry(entry.ledger, entry.version, entry.read_at - timedelta(seconds=0.5))

    assert not await ledgers.write(connection, CLIENT_ID, old, entry.ledger)
    assert (await written(connection)).version == entry.version


async def test_configured_limits_count_only_until_true_ones_are_known(connection: Connection) -> None:
    await connection.execute("DELETE FROM quota_ledgers")
    for configured in (limits(100), limits(200)):
        await ledgers.open_ledger(connection, CLIENT_ID, configured)
        entry = await ledgers.read(connection, CLIENT_ID)
        assert entry is not None
        assert entry.ledger.limits == configured

    await connection.execute("UPDATE quota_ledgers SET limits_learned = true")
    await ledgers.open_ledger(connection, CLIENT_ID, limits(999))
    entry = await ledgers.read(connection, CLIENT_ID)
    assert entry is not None
    assert entry.ledger.limits == limits(200)


async def test_without_a_row_nobody_gets_a_permit(database: Database) -> None:
    with pytest.raises(Retryable, match="no row for this app"):
        await take(gate(database))


# Between daemons


async def test_eight_daemons_get_exactly_what_the_window_allows(
    arguments: dict[str, Any], connection: Connection
) -> None:
    async def take_all(gate: Gate, calls: int) -> int:
        taken = 0
        while True:
            try:
                taken += len(await take(gate, calls))
            except QuotaSpent:
                return taken

    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(Database(arguments, pool_size=1)) for _ in range(8)]
        taken = await asyncio.gather(*(take_all(gate(pool), 1 + number % 3) for number, pool in enumerate(pools)))

    assert sum(taken) == 300
    assert await charged(connection) == 300


async def test_many_steps_of_one_daemon_get_exactly_what_the_window_allows(
    database: Database, connection: Connection
) -> None:
    one = gate(database)

    answers = await asyncio.gather(*(take(one) for _ in range(400)), return_exceptions=True)

    assert sum(isinstance(each, list) for each in answers) == 300
    assert sum(isinstance(each, QuotaSpent) for each in answers) == 100


async def test_a_step_gets_all_its_permits_or_none(database: Database, connection: Connection) -> None:
    await learned(connection, limits(5))
    await take(gate(database), 3)

    with pytest.raises(QuotaSpent):
        await take(gate(database), 3)

    assert await charged(connection) == 3
    await take(gate(database), 2)


async def test_instruments_are_told_of_permits_refusals_and_how_long_a_step_waited(
    database: Database, connection: Connection
) -> None:
    await learned(connection, limits(5))
    told = Told()
    one = Gate(database, CLIENT_ID, ONE_WINDOW, UNPACED, SystemClock(), told)
    async with one.step(Lane.BACKFILL, 3) as step:
        for _ in range(4):  # one more than it asked for
            await step.permit()
    with pytest.raises(QuotaSpent):
        await take(one, 2, Lane.LIVE)

    assert told.words == [
        ("given", "backfill", 3), ("waited", "backfill"), ("given", "backfill", 1), ("refused", "live"),
    ]  # fmt: skip


async def test_two_daemons_learn_of_foreign_use_from_each_other_s_answers(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    async with Database(arguments, pool_size=1) as other:
        here, there = gate(database), gate(other)
        (permit,) = await take(here)
        await take(there)  # on its way while the answer is written

        await permit.answered(answer(shown=reading(used=250, limit=300)))

        with pytest.raises(QuotaSpent):
            await take(there, 50)
        await take(there, 46)  # and three for what an answer on its way may tell
        with pytest.raises(QuotaSpent):
            await take(here, 4)


async def test_a_permit_without_an_answer_stays_charged(database: Database, connection: Connection) -> None:
    async with gate(database).step(Lane.LIVE, 2) as step:
        permit = await step.permit()
    await permit.answered(answer(shown=reading(used=0, limit=300)))  # a cache answered: not even this one counted

    assert await charged(connection) == 2
    with pytest.raises(QuotaSpent):
        await take(gate(database), 299)
    await take(gate(database), 298)


# Refusals


async def test_a_refusal_says_until_when_and_shuts_every_lane_for_so_long(
    database: Database, connection: Connection
) -> None:
    await learned(connection, limits(3))
    clock = SetClock()
    one = gate(database, clock=clock)
    assert one.open_lanes() == LANES
    assert one.shut_reason() is None
    assert one.opens_in_seconds() is None
    await take(one, 3)

    before = await connection.fetchval("SELECT clock_timestamp()")
    with pytest.raises(QuotaSpent, match="this quarter's requests are spent") as refusal:
        await take(one)
    after = await connection.fetchval("SELECT clock_timestamp()")

    assert one.open_lanes() == ()
    reason = one.shut_reason()
    assert reason is not None
    assert reason.until == refusal.value.until
    # It was said between the two: from then on so long, and half a second of jitter.
    least_seconds, most_seconds = [(refusal.value.until - at).total_seconds() for at in (after, before)]
    assert least_seconds <= (one.opens_in_seconds() or 0) <= most_seconds + 1
    clock.advance(least_seconds - 1)
    assert one.open_lanes() == ()
    clock.advance(most_seconds - least_seconds + 2.5)
    assert one.open_lanes() == LANES
    assert one.shut_reason() is None


async def test_live_work_that_must_leave_a_share_to_others_does_not_shut_their_lanes(
    database: Database, connection: Connection
) -> None:
    await learned(connection, limits(300))
    one = gate(database, Lengths(10**9, 10**9))  # both end in 2033
    with pytest.raises(QuotaSpent, match="kept"):
        while True:
            await take(one, 1, Lane.LIVE)

    assert Lane.LIVE not in one.open_lanes()
    assert Lane.SCHEDULED in one.open_lanes()
    await take(one, 1, Lane.SCHEDULED)


async def test_a_window_that_turns_opens_the_lanes_again(database: Database, connection: Connection) -> None:
    await learned(connection, limits(4))
    clock = SetClock()
    one = gate(database, Lengths(1, 10**9), clock=clock)
    granted: list[tuple[datetime, datetime]] = []  # between these two

    async def now() -> datetime:
        read: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return read

    async with asyncio.timeout(60):
        while len(granted) < 9:  # more than two windows hold
            before = await now()
            try:
                await take(one)
                granted.append((before, await now()))
            except QuotaSpent as refusal:
                assert one.open_lanes() == ()
                wait = refusal.until - await now()
                assert wait < timedelta(seconds=2)
                await asyncio.sleep(wait.total_seconds())
                clock.advance(10)
                assert one.open_lanes() == LANES

    for (first, _), (_, fifth) in zip(granted, granted[4:], strict=False):
        assert fifth.timestamp() // 1 > first.timestamp() // 1


async def test_a_429_shuts_all_daemons_whatever_the_numbers_say(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    async with Database(arguments, pool_size=1) as other:
        here, there = gate(database), gate(other)
        (permit,) = await take(here)

        with pytest.raises(QuotaSpent) as refusal:
            await permit.answered(answer(Outcome.RATE_LIMITED, reading(used=1, limit=300)))

        assert not isinstance(refusal.value, AppInactive)
        assert here.open_lanes() == ()
        with pytest.raises(QuotaSpent):
            await take(there)
        assert there.open_lanes() == ()


async def test_an_inactive_app_is_probed_by_one_call_and_opens_when_it_is_answered(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    async with Database(arguments, pool_size=1) as other:
        here, there = gate(database), gate(other)
        (permit,) = await take(here)
        before = await connection.fetchval("SELECT clock_timestamp()")
        with pytest.raises(AppInactive) as refusal:
            await permit.answered(answer(Outcome.APP_INACTIVE))
        after = await connection.fetchval("SELECT clock_timestamp()")
        assert before <= refusal.value.until - PROBE_EVERY <= after
        with pytest.raises(AppInactive):
            await take(there)

        await connection.execute("UPDATE quota_ledgers SET inactive_until = now()")
        (probe,) = await take(there)
        with pytest.raises(AppInactive):
            await take(here)
        await probe.answered(answer(shown=reading(used=2, limit=300)))
        await take(here)


async def test_the_first_answer_shows_the_limits_and_until_then_few_are_let_through(
    database: Database, connection: Connection
) -> None:
    await connection.execute("DELETE FROM quota_ledgers")
    await ledgers.open_ledger(connection, CLIENT_ID, limits(600))
    one = gate(database)
    permits = [permit for _ in range(COLD_PERMITS) for permit in await take(one)]
    with pytest.raises(QuotaSpent) as refusal:
        await take(one)
    now = await connection.fetchval("SELECT clock_timestamp()")
    assert refusal.value.until - now < timedelta(seconds=30)  # not the quarter: an answer is on its way
    assert one.open_lanes() == ()

    await permits[0].answered(answer(shown=reading(used=1, limit=100)))

    assert one.open_lanes() == LANES
    await take(one, 100 - COLD_PERMITS)
    with pytest.raises(QuotaSpent):
        await take(one)


async def test_what_is_kept_for_live_work_shuts_the_lanes_below_and_leaves_live_open(
    database: Database, connection: Connection
) -> None:
    needed = 5 * 24 * 3600  # live calls in a past in which there was one a second
    await connection.execute(
        "UPDATE quota_quarters SET seconds = $1, live = $1, began_at = began_at - interval '1 hour'", needed
    )
    one = gate(database, Lengths(10**9, 10**9))  # both end in 2033

    with pytest.raises(QuotaSpent, match="kept for what comes before it"):
        await take(one, 270, Lane.BACKFILL)

    assert Lane.BACKFILL not in one.open_lanes()
    assert Lane.LIVE in one.open_lanes()
    assert one.shut_reason() is None
    await take(one, 270, Lane.LIVE)


async def test_a_quarter_that_has_ended_goes_into_the_history_once_with_its_lanes(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    await learned(connection, limits(10**5, 10**6))  # more than two doors can take in a moment
    async with Database(arguments, pool_size=1) as other:
        doors = [gate(pool, Lengths(2, 10**9), clock=SetClock()) for pool in (database, other)]  # no permit ages
        await take(doors[0], 2, Lane.BACKFILL)
        first_index = await connection.fetchval("SELECT quarter_index FROM quota_ledgers")
        async with asyncio.timeout(60):
            while await connection.fetchval("SELECT quarter_index FROM quota_ledgers") == first_index:
                await asyncio.gather(*(take(door, 1, Lane.SCHEDULED) for door in doors))

    # A busy machine may have turned two windows meanwhile.
    rows = await connection.fetch("SELECT * FROM quota_quarters WHERE seconds = 2 ORDER BY began_at")
    assert rows[0]["began_at"].timestamp() == first_index * 2
    assert [row["backfill"] for row in rows] == [2, *[0] * (len(rows) - 1)]


async def test_an_answer_that_will_never_come_is_settled_with_the_next_one_that_does(
    database: Database, connection: Connection
) -> None:
    clock = SetClock()
    one = gate(database, clock=clock)
    lost, prompt, late = await take(one, 3)

    await lost.lost()
    await prompt.answered(answer())
    assert await connection.fetchval("SELECT quarter_silent FROM quota_ledgers") == 1  # it may still be counted
    clock.advance(6)
    await late.answered(answer())

    assert await connection.fetchval("SELECT quarter_silent FROM quota_ledgers") == 3
    assert await charged(connection) == 3


async def test_what_is_lost_is_settled_once_however_many_answers_come_together(
    database: Database, connection: Connection
) -> None:
    clock = SetClock()
    one = gate(database, clock=clock)
    lost, *answers = await take(one, 9)

    await lost.lost()
    clock.advance(6)
    await asyncio.gather(*(permit.answered(answer()) for permit in answers))

    assert await connection.fetchval("SELECT quarter_silent FROM quota_ledgers") == 9


# Permits and time


async def test_a_permit_older_than_its_window_is_renewed_before_it_is_used(
    database: Database, connection: Connection
) -> None:
    clock = SetClock()
    async with gate(database, Lengths(60, 10**9), clock=clock).step(Lane.LIVE, 2) as step:
        await step.permit()
        assert await charged(connection) == 2

        clock.advance(200)
        await step.permit()

    assert await charged(connection) == 3


async def test_more_permits_than_asked_for_come_from_the_ledger_one_by_one(
    database: Database, connection: Connection
) -> None:
    await learned(connection, limits(2))
    async with gate(database).step(Lane.LIVE, 1) as step:
        await step.permit()
        await step.permit()  # a transport retry takes its own
        with pytest.raises(QuotaSpent):
            await step.permit()

    assert await charged(connection) == 2


async def test_permits_are_paced(database: Database, connection: Connection) -> None:
    clock = SystemClock()
    one = gate(database, pace=Pace(requests_per_second=20, concurrency=8))
    began = clock.elapsed_seconds()
    await take(one, 26)

    # 14 at once, for six and the next one are kept for what is live; then 12 more at 20 a second.
    assert clock.elapsed_seconds() - began >= 0.59


# Broken lines


async def cut_after(monkeypatch: pytest.MonkeyPatch, name: str, cut: Callable[[], Awaitable[None]]) -> None:
    """Let the line break right after the next time that a statement of the ledger was carried out."""
    original = getattr(ledgers, name)

    async def carried_out_and_cut(*arguments: Any) -> Any:
        result = await original(*arguments)
        monkeypatch.setattr(ledgers, name, original)
        await cut()
        return result

    monkeypatch.setattr(ledgers, name, carried_out_and_cut)


async def test_a_line_lost_between_reading_and_writing_charges_nothing(
    arguments: dict[str, Any], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, pool_size=1) as database:
        one = gate(database, pace=Pace(1e6, concurrency=1))
        await cut_after(monkeypatch, "read", relay.cut)

        with pytest.raises(Retryable):
            await take(one, lane=Lane.BACKFILL)

        assert await charged(connection) == 0
        await relay.mend()
        await take(one, lane=Lane.BACKFILL)
    assert await charged(connection) == 1


async def test_a_line_lost_before_the_answer_to_a_write_leaves_the_charge(
    arguments: dict[str, Any], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, pool_size=1) as database:
        one = gate(database)

        async def lose() -> None:
            await relay.cut()
            raise OSError("the answer was lost")

        await cut_after(monkeypatch, "write", lose)
        with pytest.raises(Retryable):
            await take(one)

        assert await charged(connection) == 1


async def test_a_reading_that_cannot_be_stored_is_lost_but_a_refusal_is_told(
    arguments: dict[str, Any], connection: Connection
) -> None:
    async with relayed(arguments) as relay, Database(relay.arguments, pool_size=1) as database:
        first, second = await take(gate(database), 2)
        await relay.cut()

        await first.answered(answer(shown=reading(used=1, limit=300)))
        with pytest.raises(Retryable):
            await second.answered(answer(Outcome.RATE_LIMITED))


# Slots


async def fill(stack: AsyncExitStack, gate: Gate, count: int) -> None:
    """Hold that many slots; fails where one of them is not free."""
    async with asyncio.timeout(60):
        for _ in range(count):
            await stack.enter_async_context(gate.step(Lane.BACKFILL, 1))


async def test_a_live_step_waits_for_no_slot_and_the_others_in_order_of_their_lanes(
    database: Database, connection: Connection
) -> None:
    one = gate(database, pace=Pace(1e6, concurrency=2))
    entered: list[Lane] = []

    async def enter(lane: Lane) -> None:
        async with one.step(lane, 1):
            entered.append(lane)

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        await fill(stack, one, 2)
        for lane in (Lane.BACKFILL, Lane.SCHEDULED, Lane.INTERACTIVE, Lane.BACKFILL, Lane.SCHEDULED):
            group.create_task(enter(lane))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await enter(Lane.LIVE)
        assert entered == [Lane.LIVE]
        await stack.aclose()

    assert entered == sorted(entered, key=LANES.index)
    assert len(entered) == 6


async def test_every_way_out_of_a_step_gives_the_slot_back(database: Database, connection: Connection) -> None:
    one = gate(database, pace=Pace(1e6, concurrency=2))

    async with one.step(Lane.BACKFILL, 1) as step:
        await step.permit()
    with pytest.raises(QuotaSpent):
        await take(one, 1000, Lane.BACKFILL)
    with pytest.raises(ValueError, match="the job broke"):
        async with one.step(Lane.BACKFILL, 1):
            raise ValueError("the job broke")

    async with AsyncExitStack() as stack:
        await fill(stack, one, 2)


async def test_a_step_cancelled_while_it_waits_gives_nothing_away(
    database: Database, connection: Connection
) -> None:
    one = gate(database, pace=Pace(1e6, concurrency=1))
    async with AsyncExitStack() as stack:
        await fill(stack, one, 1)
        cancelled = asyncio.create_task(take(one, 1, Lane.SCHEDULED))
        behind = asyncio.create_task(take(one, 1, Lane.BACKFILL))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert not behind.done()
    async with asyncio.timeout(60):
        await behind

    async with AsyncExitStack() as stack:
        await fill(stack, one, 1)


async def test_a_slot_handed_to_a_step_that_is_cancelled_in_the_same_moment_goes_to_the_next(
    database: Database, connection: Connection
) -> None:
    one = gate(database, pace=Pace(1e6, concurrency=1))
    async with AsyncExitStack() as stack:
        await fill(stack, one, 1)
        cancelled = asyncio.create_task(take(one, 1, Lane.SCHEDULED))
        behind = asyncio.create_task(take(one, 1, Lane.BACKFILL))
        await asyncio.sleep(0)
        await stack.aclose()
        cancelled.cancel()
    async with asyncio.timeout(60):
        await behind
        await asyncio.wait([cancelled])

    assert cancelled.cancelled()
    async with AsyncExitStack() as stack:
        await fill(stack, one, 1)


async def test_a_step_cancelled_while_it_asks_the_ledger_gives_its_slot_back(
    arguments: dict[str, Any], database: Database, connection: Connection
) -> None:
    one = gate(database, pace=Pace(1e6, concurrency=1))
    async with connection.transaction():
        await connection.execute("SELECT 1 FROM quota_ledgers FOR UPDATE")
        asking = asyncio.create_task(take(one, 1, Lane.BACKFILL))
        await until_waiting(connection)
        asking.cancel()
        await asyncio.wait([asking])

    async with AsyncExitStack() as stack:
        await fill(stack, one, 1)
    assert await charged(connection) == 1


async def test_foreign_use_leaves_room_for_what_it_did_not_use(database: Database, connection: Connection) -> None:
    """The opposite of caution: what a reading contains is not counted twice."""
    one = gate(database)
    for used in range(1, 31):
        (permit,) = await take(one)
        await permit.answered(answer(shown=reading(used=used, limit=300)))

    await take(one, 270)
    assert await charged(connection) == 300

"""What an operator is told about one athlete."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from daemon.core.explained import explain
from daemon.core.freshness import AUDITED, Athlete, Occasion, Policy, Proof, Skip, Sync, should_sync
from daemon.core.habits import learned

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
UPLOADS, UPLOADS_AT = learned((), None, NOW - timedelta(days=7))
ATHLETE = Athlete(
    athlete_id=7,
    connected_at=NOW - timedelta(days=300),
    synced_at=NOW - 3 * HOUR,
    reached_to=NOW - 3 * HOUR - AUDITED,
    active_at=None,
    audited_at=NOW - 3 * HOUR,
    walked_at=NOW - timedelta(days=2),
    event_at=None,
    missed_at=None,
    uploads=UPLOADS,
    uploads_at=UPLOADS_AT,
)
PROVEN = Proof(verified_at=NOW, up_since=NOW - timedelta(days=9), event_at=NOW)


def test_with_proof_it_says_so_and_what_each_timer_would_do() -> None:
    told = explain(ATHLETE, NOW, PROVEN, Policy())
    first, habit, *rest = told.lines()
    assert first == "Webhooks are proven to reach us for him: the daily audit is enough."
    assert "mostly at Wed 10:00, Wed 11:00, Wed 12:00, Wed 13:00, Wed 14:00 UTC" in habit
    assert [line.split(":")[0] for line in rest] == [one for one in Occasion if one is not Occasion.MANUAL]
    assert "ingestion_tick: skip (webhooks_alive): " in rest[0]
    assert "daily_sync: look (audit): audited 3 h 0 min ago; urgency" in rest[3]


def test_without_proof_it_says_why_and_what_is_expected_to_be_unseen() -> None:
    told = explain(ATHLETE, NOW, replace(PROVEN, up_since=None), Policy())
    assert told.unseen.activities > 0.0
    assert "the receiver is down" in told.lines()[0]
    assert "since 2026-03-11 09:30 UTC" in told.lines()[0]


def test_the_decisions_told_are_the_policy_s_own() -> None:
    for policy in (Policy(), Policy("fixed")):
        for occasion, decision in explain(ATHLETE, NOW, PROVEN, policy).decisions:
            assert isinstance(decision, Sync | Skip)
            assert decision == should_sync(ATHLETE, occasion, NOW, PROVEN, policy)

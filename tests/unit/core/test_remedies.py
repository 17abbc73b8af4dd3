"""Whatever fails, its sentence leads to advice; what failed alike is one trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import DomestiqueError, Retryable, ScopeMissing
from daemon.core.remedies import Stage, Trouble, advise, merged
from daemon.core.settle import Death, settle
from daemon.strava.wire.faults import fault_error
from daemon.strava.wire.requests import Kind

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def died_of(error: Exception, attempts: int = 20) -> str:
    """Return the sentence that a dead job keeps of an error."""
    settled = settle(error, attempts, 20, NOW, 0.5)
    assert isinstance(settled, Death)
    return settled.reason


def strava_said(kind: Kind, status: int, body: str = "") -> DomestiqueError:
    return fault_error(kind, status, body.encode())


BAD_CLIENT = '{"message":"Bad Request","errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}'


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        (died_of(ScopeMissing("activity:read_all")), "connect again with every box ticked"),
        (died_of(strava_said("activity", 503)), "status.strava.com"),
        (died_of(strava_said("activity", 404)), "drop it"),
        (died_of(strava_said("activity", 422)), "report it as a bug"),
        (died_of(strava_said("token", 400, BAD_CLIENT)), "strava.client_secret"),
        (died_of(strava_said("activity", 301)), "strava.api_url"),
        (died_of(KeyError("name")), "traceback"),
        (died_of(Retryable("the worker process died")), "memory"),
        (died_of(Retryable("the database did not answer (OSError)")), "PostgreSQL"),
        ("its worker died at every attempt", "memory"),
        ("its worker died", "tried again within seconds"),
        ("Strava refused the refresh token", "connect again"),
        ("Intervals.icu refused the key (401): give a new one", "domestique athletes intervals"),
        ("the athlete took the authorization back", "erased"),
        ("something that nobody has foreseen", "the log says more"),
    ],
)
def test_a_sentence_leads_to_what_to_do(sentence: str, says: str) -> None:
    assert says in advise(sentence)


def trouble(sentence: str, count: int = 1, minutes_ago: int = 0, stage: Stage = Stage.DEAD) -> Trouble:
    return Trouble("look_at_activity", stage, sentence, count, NOW - timedelta(minutes=minutes_ago))


def test_sentences_that_differ_in_numbers_alone_are_one_trouble_told_by_the_newest() -> None:
    old, new = trouble("athlete 12 reconnected meanwhile", 2, 9), trouble("athlete 345 reconnected meanwhile", 3, 1)

    for both in ([old, new], [new, old]):
        (one,) = merged(both)
        assert (one.sentence, one.count, one.newest_at) == (new.sentence, 5, new.newest_at)


def test_what_needs_a_person_comes_before_what_mends_itself() -> None:
    retrying, dead = trouble("b", 90, stage=Stage.RETRYING), trouble("a", 1)
    resting = trouble("c", 5, stage=Stage.NEEDS_AUTHORIZATION)

    assert merged([retrying, resting, dead]) == (dead, resting, retrying)


@given(
    st.lists(
        st.builds(
            Trouble,
            where=st.sampled_from(["sync_athlete", "backfill"]),
            stage=st.sampled_from(Stage),
            sentence=st.sampled_from(["job 1 broke", "job 22 broke", "no room"]),
            count=st.integers(1, 9),
            next_at=st.none() | st.integers(0, 9).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        ),
        max_size=12,
    )
)
@settings(max_examples=50)
def test_nothing_is_lost_by_merging_and_merging_again_changes_nothing(troubles: list[Trouble]) -> None:
    told = merged(troubles)

    assert sum(one.count for one in told) == sum(one.count for one in troubles)
    assert merged(told) == told
    assert min((one.next_at for one in told if one.next_at), default=None) == min(
        (one.next_at for one in troubles if one.next_at), default=None
    )

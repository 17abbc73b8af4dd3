"""Whatever fails, its sentence leads to advice; what failed alike is one trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.addresses import NotAllowed, check
from daemon.core.deliveries import ATTEMPTS, KIND, Answer, GiveUp, next_attempt
from daemon.core.errors import DomestiqueError, Permanent, Retryable, ScopeMissing
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


def refused_address(url: str) -> str:
    with pytest.raises(NotAllowed) as refusal:
        check(url, allow_private=False)
    return str(refusal.value)


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
    assert says in advise(sentence, "look_at_activity")


def undelivered(answer: Answer) -> str:
    """Return the sentence that a dead delivery keeps of the last answer."""
    decision = next_attempt(answer, ATTEMPTS, NOW, 0.5)
    assert isinstance(decision, GiveUp)
    return died_of(Permanent(decision.reason))


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        (undelivered(Answer(404)), "the receiver's trouble"),
        (undelivered(Answer(429)), "the receiver's trouble"),
        (undelivered(Answer(503)), "the receiver's trouble"),
        (undelivered(Answer(400)), "the receiver's trouble"),
        (Answer(500).sentence, "the receiver's trouble"),
        (undelivered(Answer(301)), "give the address that it leads to"),
        (undelivered(Answer(None, "no answer within 15 s")), "the receiver's trouble"),
        (undelivered(Answer(None, "could not connect (Connection refused)")), "the receiver's trouble"),
        (undelivered(Answer(None, "the connection broke (ServerDisconnectedError)")), "the receiver's trouble"),
        (undelivered(Answer(None, "its certificate is not trusted")), "renew its certificate"),
        (undelivered(Answer(None, "its name is not known to DNS")), "name"),
        (undelivered(Answer(None, refused_address("https://10.0.0.1/hook"))), "notifications.allow_private"),
        (undelivered(Answer(None, refused_address("ftp://example.org/hook"))), "`PUT /notifications/ID`"),
        ("the address or the secret of notification 1 cannot be decrypted: put the key back", "under vault.keys"),
    ],
)
def test_what_a_delivery_failed_of_is_the_receiver_s_and_never_told_as_strava_s(sentence: str, says: str) -> None:
    advice = advise(sentence, KIND)
    assert says in advice
    assert "Strava" not in advice
    assert "then retry" in advice or "restart, retry" in advice
    assert "`domestique notifications test ID`" in advice or "vault.keys" in advice


@pytest.mark.parametrize(
    "error", [KeyError("name"), Retryable("the worker process died"), Retryable("the database did not answer (x)")]
)
def test_what_is_our_own_trouble_is_told_alike_of_a_delivery_and_of_any_work(error: Exception) -> None:
    assert advise(died_of(error), KIND) == advise(died_of(error), "sync_athlete")


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

"""The push subscription: ours, gone or elsewhere; and no word of a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.subscription import State, Wanted, judge, place

SECRET = "canary-webhook-secret-0123"
HERE = Wanted("https://here.example/app", SECRET)
ANYWHERE = Wanted("", SECRET)


@pytest.mark.parametrize(
    ("wanted", "callback_url", "is_ours"),
    [
        (HERE, f"https://here.example/app/webhook/{SECRET}", True),
        (HERE, f"https://HERE.example/app/webhook/{SECRET}", True),
        (HERE, f"https://here.example/app/webhook/{SECRET}/", True),
        (HERE, f"https://here.example/webhook/{SECRET}", False),
        (HERE, f"http://here.example/app/webhook/{SECRET}", False),
        (HERE, f"https://there.example/app/webhook/{SECRET}", False),
        (HERE, f"https://here.example:8443/app/webhook/{SECRET}", False),
        (HERE, "https://here.example/app/webhook/of-before-the-secret-changed", False),
        (HERE, "", False),
        (HERE, "https://[", False),
        (ANYWHERE, f"https://here.example/app/webhook/{SECRET}", True),
        (ANYWHERE, f"https://there.example/webhook/{SECRET}", True),
        (ANYWHERE, f"https://there.example/webhook/x{SECRET}", False),
        (ANYWHERE, f"https://there.example/{SECRET}", False),
        (ANYWHERE, "https://there.example/webhook/", False),
        (ANYWHERE, "https://[", False),
    ],
)
def test_a_callback_is_ours_by_its_whole_address_or_without_one_by_the_secret(
    wanted: Wanted, callback_url: str, is_ours: bool
) -> None:
    assert wanted.is_at(callback_url) is is_ours
    finding = judge([(7, callback_url)], wanted, None)
    assert finding.state is (State.VERIFIED if is_ours else State.ELSEWHERE)
    assert finding.subscription_id == 7


def test_no_subscription_is_gone_whatever_we_knew() -> None:
    assert judge([], HERE, None).state is State.GONE
    assert judge([], HERE, 7).state is State.GONE
    assert judge([], HERE, 7).subscription_id is None


def test_one_whose_callback_strava_does_not_show_is_ours_if_we_know_its_number() -> None:
    assert judge([(7, None)], HERE, 7).state is State.VERIFIED
    assert judge([(7, None)], HERE, 8).state is State.ELSEWHERE
    assert judge([(7, None)], HERE, None).state is State.ELSEWHERE


def test_of_several_the_one_that_is_ours_counts() -> None:
    found = judge([(1, "https://there.example/x"), (2, HERE.callback_url)], HERE, 1)
    assert (found.state, found.subscription_id) == (State.VERIFIED, 2)


@given(st.none() | st.text(), st.sampled_from([HERE, ANYWHERE]))
def test_any_callback_is_judged_and_none_is_shown(callback_url: str | None, wanted: Wanted) -> None:
    finding = judge([(7, callback_url)], wanted, None)
    assert finding.state is State.ELSEWHERE
    assert SECRET not in finding.detail


def test_what_is_shown_holds_no_secret_of_ours_or_theirs() -> None:
    for callback_url in (HERE.callback_url, f"https://user:canary@there.example/canary?x=canary#{SECRET}"):
        assert "canary" not in judge([(7, callback_url)], HERE, None).detail
    assert place("https://user:canary@there.example:8443/canary") == "https://there.example:8443/…"
    assert SECRET not in f"{HERE!r} {HERE} {HERE.shown}"
    assert HERE.shown == "https://here.example/app/webhook/***"

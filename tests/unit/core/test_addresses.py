"""Webhooks go to the internet over TLS, and nowhere else unless the operator says so, however it is written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.addresses import NotAllowed, check, check_reached, is_public

PRIVATE_NETWORKS = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
IN_PRIVATE = st.sampled_from(PRIVATE_NETWORKS).flatmap(lambda network: st.ip_addresses(network=network))


@settings(max_examples=60)
@given(IN_PRIVATE)
def test_no_private_address_is_public_in_any_wrapping(address: ipaddress.IPv4Address) -> None:
    wrapped = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::1",
    ]
    assert not any(map(is_public, [str(address), f"::{address}", *wrapped]))
    with pytest.raises(NotAllowed):
        check(f"https://[::ffff:{address}]/", allow_private=False)


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1",
     "2001::1", "100::1", "4000::1", "not an address", ""],
)  # fmt: skip
def test_no_special_address_of_ipv6_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)
    check_reached(address, allow_private=False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.org/hooks/se-cret?key=1", "https://example.org"),
        ("https://EXAMPLE.org:8443/x", "https://example.org:8443"),
        ("https://8.8.8.8/", "https://8.8.8.8"),
        ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443"),
    ],
)
def test_an_address_over_tls_is_taken_and_shown_without_its_secrets(url: str, origin: str) -> None:
    assert check(url, allow_private=False) == origin


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://10.1.2.3/x",
     "https://[::1]/", "https://169.254.169.254/latest/meta-data", "ftp://example.org/", "example.org/hook", "https://",
     "https:///path", "https://user@example.org/", "https://user:pass@example.org/", "https://example.org/#part",
     "https://example.org:99999/", "https://example.org:0/", "https://example.org/a b", "https://example.org\\@evil/",
     "https://exämple.org/", "https://[bad/", "https://example.org/\n", "https://example.org/" + "x" * 2000, ""],
)  # fmt: skip
def test_what_nothing_may_be_sent_to_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(NotAllowed, match=r"."):
        check(url, allow_private=False)


def test_an_operator_may_let_webhooks_into_his_own_network_with_tls_and_to_this_machine_without() -> None:
    for url in ("https://10.1.2.3/x", "https://localhost/", "http://127.0.0.1:9000/", "http://[::1]:9000/"):
        assert check(url, allow_private=True)
    check_reached("10.1.2.3", allow_private=True)
    for url in ("http://10.1.2.3/", "http://example.org/", "https://user@10.1.2.3/"):
        with pytest.raises(NotAllowed):
            check(url, allow_private=True)


@settings(max_examples=100)
@given(st.text(max_size=30).map("https://".__add__) | st.text(max_size=30))
def test_any_text_is_an_origin_or_is_refused(text: str) -> None:
    try:
        assert check(text, allow_private=False).startswith("https://")
    except NotAllowed as error:
        assert str(error)

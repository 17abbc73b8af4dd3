"""The address at which a server is asked, whatever the settings say that it listens on."""

from __future__ import annotations

import pytest

from daemon.core.listening import asked_at, origin


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("training.example.org", "http://training.example.org:8000"),
        ("::1", "http://[::1]:8000"),
        ("2001:db8::7", "http://[2001:db8::7]:8000"),
    ],
)
def test_an_address_of_version_6_stands_in_brackets(host: str, address: str) -> None:
    assert origin(host, 8000) == address
    assert asked_at(host, 8000) == address


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "http://127.0.0.1:8000"), ("::", "http://[::1]:8000"), ("0::0", "http://[::1]:8000")]
)  # fmt: skip
def test_who_listens_everywhere_is_asked_on_this_machine(host: str, address: str) -> None:
    assert asked_at(host, 8000) == address
